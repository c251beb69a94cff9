"""Whether the runs, logged models and experiments that a body names are the tenant's own.

MLflow looks none of them up in the caller's workspace where a metric, a model version or a dataset
names them: it would write a metric to anybody's model, let a model come from anybody's run, and
keep a dataset of anybody's experiment.
"""

from collections.abc import Awaitable, Callable

from app.core.errors import NotFoundError
from app.data_plane.proxy.body_policy import Payload
from app.mlflow.client import MLflowClient

Look = Callable[[str, str], Awaitable[bool]]

# What was found stays; a training names one model thousands of times.
CAPACITY = 10_000


class OwnershipChecker:
    """Asks MLflow, in the tenant's workspace, and remembers what is there."""

    def __init__(self, mlflow: MLflowClient) -> None:
        self._mlflow = mlflow
        self._own: dict[tuple[str, str, str], None] = {}

    async def check(self, workspace: str, payload: Payload) -> None:
        """Raises NotFoundError where one of the ids is not found in the workspace."""
        for run in payload.runs:
            if not await self._is_own(workspace, run, self._mlflow.has_run):
                raise NotFoundError(f"There is no run {run!r} of yours that this could be from.")
        for model in payload.models:
            if not await self._is_own(workspace, model, self._mlflow.has_logged_model):
                raise NotFoundError(f"There is no logged model {model!r} of yours.")
        for one in payload.experiments:
            if not await self._is_own(workspace, one, self._mlflow.has_experiment):
                raise NotFoundError(f"There is no experiment {one!r} of yours.")

    async def check_dataset(self, workspace: str | None, dataset: str) -> None:
        """Raises NotFoundError where there is no such dataset; a workspace of None is shared."""
        # Not remembered: it may be deleted any time.
        if not await self._mlflow.has_dataset(workspace, dataset):
            raise NotFoundError(f"There is no dataset {dataset!r} of yours.")

    async def _is_own(self, workspace: str, found: str, look: Look) -> bool:
        key = (look.__name__, workspace, found)
        if key in self._own:
            return True
        if not await look(workspace, found):
            return False
        if len(self._own) >= CAPACITY:
            del self._own[next(iter(self._own))]
        self._own[key] = None
        return True
