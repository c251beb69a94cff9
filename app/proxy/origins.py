"""Whether the runs and logged models that a body names are the tenant's own.

MLflow looks neither up in the caller's workspace where a metric or a model version names them: it
would write a metric to anybody's model, and let a model come from anybody's run.
"""

from collections.abc import Awaitable, Callable

from app.errors import NotFoundError
from app.mlflow.control import MLflowControl

Look = Callable[[str, str], Awaitable[bool]]

# What was found stays; a training names one model thousands of times.
CAPACITY = 10_000


class Origins:
    """Asks MLflow, in the tenant's workspace, and remembers what is there."""

    def __init__(self, mlflow: MLflowControl) -> None:
        self._mlflow = mlflow
        self._own: dict[tuple[str, str], None] = {}

    async def check(self, workspace: str, runs: frozenset[str], models: frozenset[str]) -> None:
        """Raises NotFoundError where one of the ids is not found in the workspace."""
        for run in runs:
            if not await self._is_own(workspace, run, self._mlflow.has_run):
                raise NotFoundError(f"There is no run {run!r} of yours that this could be from.")
        for model in models:
            if not await self._is_own(workspace, model, self._mlflow.has_model):
                raise NotFoundError(f"There is no logged model {model!r} of yours.")

    async def _is_own(self, workspace: str, found: str, look: Look) -> bool:
        if (workspace, found) in self._own:
            return True
        if not await look(workspace, found):
            return False
        if len(self._own) >= CAPACITY:
            del self._own[next(iter(self._own))]
        self._own[workspace, found] = None
        return True
