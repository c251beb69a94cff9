"""The evaluation that the registration of an improved model states."""

from collections.abc import Mapping
from typing import Any

from app.control_plane.benchmarks.evaluation import evaluation_data, require_directions
from app.control_plane.benchmarks.measured import measure
from app.control_plane.benchmarks.service import find_benchmark
from app.control_plane.registry.evaluation import EvaluationRequest
from app.control_plane.registry.metric_direction import Direction
from app.core.errors import UnprocessableError
from app.core.request.principal import Principal
from app.database.engine import Database


class RegisteredEvaluations:
    """Implements `registry.Evaluate`; one for the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(
        self,
        principal: Principal,
        benchmark_id: str,
        stated: EvaluationRequest,
        baseline: Mapping[str, float],
        improved: Mapping[str, float],
        *,
        directions: Mapping[str, Direction],
        private: bool,
    ) -> dict[str, Any]:
        """The evaluation, without predictions: the model has no id to commit to any for."""
        async with self._database.transaction() as session:
            benchmark = await find_benchmark(session, benchmark_id, principal)
        if benchmark.private and not private:
            raise UnprocessableError(
                f"The benchmark {benchmark_id} is private, and everybody would see it with this "
                "model. Improve on a private baseline, or leave the evaluation out."
            )
        require_directions(benchmark, directions)
        measured = await measure(benchmark, stated)
        return await evaluation_data(benchmark, measured, baseline, improved)
