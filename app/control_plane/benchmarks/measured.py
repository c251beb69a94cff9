"""What was measured of two models on a benchmark: counts of rows, or scores of rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.control_plane.benchmarks.acceptance import Count, Discordant
from app.control_plane.benchmarks.models import Benchmark
from app.control_plane.benchmarks.score_thread import in_thread
from app.control_plane.benchmarks.scores import ScoreComparison
from app.control_plane.registry.evaluation import EvaluationRequest
from app.core.errors import UnprocessableError


@dataclass(frozen=True, slots=True)
class CountComparison:
    """The counts of both models, and of the rows in which they differ, if those are known."""

    baseline: Count
    improved: Count
    discordant: Discordant | None = None

    def data(self) -> dict[str, Any]:
        """As a part of an attestation's data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "CountComparison":
        """From what `data` returned, or from a request of that form."""
        return cls(
            Count(**data["baseline"]),
            Count(**data["improved"]),
            data["discordant"] and Discordant(**data["discordant"]),
        )


Measured = CountComparison | ScoreComparison


async def measure(benchmark: Benchmark, stated: EvaluationRequest) -> Measured:
    """What was measured, as a request states it.

    Raises UnprocessableError for scores where the benchmark's family is judged by counts, and for
    counts where it is judged by scores.
    """
    family, scores = benchmark.metric_family, stated.scores
    if (scores is None) != (family == "proportion"):
        needed = "successes and sample_size" if family == "proportion" else "scores"
        raise UnprocessableError(
            f"The metric of the benchmark {benchmark.benchmark_id} is of the family {family}, so "
            f"evaluation.baseline and evaluation.improved need {needed}."
        )
    if scores is None:
        return CountComparison.from_data(stated.model_dump())
    return await in_thread(ScoreComparison.of, *scores, benchmark.rows)


def measured_before(evaluation: Mapping[str, Any]) -> Measured:
    """What was measured, as an evaluation that was made before has it."""
    is_of_scores = "scores_sha256" in evaluation["baseline"]
    return (ScoreComparison if is_of_scores else CountComparison).from_data(evaluation)
