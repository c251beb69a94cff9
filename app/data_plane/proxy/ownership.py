"""Checks that the runs, models, experiments and issues that a body names are the tenant's own.

MLflow does not look them up in the caller's workspace where a metric, a model version or a dataset
names them. Without this check a tenant could write metrics to another tenant's model, register a
model from another's run, attach datasets to another's experiment, and raise the number of traces of
another's issue.
"""

from collections.abc import Awaitable, Callable

from app.core.errors import NotFoundError
from app.data_plane.proxy.body_policy import Payload
from app.mlflow.client import MLflowClient

# Whether a workspace has something with an id.
Lookup = Callable[[str, str], Awaitable[bool]]

# How many ids are remembered as owned; a training names the same model thousands of times.
CAPACITY = 10_000


class OwnershipChecker:
    """Looks ids up in the tenant's workspace of MLflow, and remembers those that exist.

    All methods raise UpstreamError where MLflow does not respond.
    """

    def __init__(self, mlflow: MLflowClient) -> None:
        self._mlflow = mlflow
        self._own: dict[tuple[str, str, str], None] = {}

    async def check(self, workspace: str, payload: Payload) -> None:
        """Raise NotFoundError if the workspace lacks one of the payload's ids."""
        for run in payload.runs:
            if not await self._is_own(workspace, run, self._mlflow.has_run):
                raise NotFoundError(f"Your tenant has no run {run!r}.")
        for model in payload.models:
            if not await self._is_own(workspace, model, self._mlflow.has_logged_model):
                raise NotFoundError(f"Your tenant has no logged model {model!r}.")
        for experiment in payload.experiments:
            if not await self._is_own(workspace, experiment, self._mlflow.has_experiment):
                raise NotFoundError(f"Your tenant has no experiment {experiment!r}.")
        for issue in payload.issues:
            if not await self._is_own(workspace, issue, self._mlflow.has_issue):
                raise NotFoundError(f"Your tenant has no issue {issue!r}.")

    async def check_dataset(self, workspace: str | None, dataset: str) -> None:
        """Raise NotFoundError if the workspace has no such dataset.

        workspace: None where tenants share one MLflow.
        """
        # Not remembered, because a dataset can be deleted at any time.
        if not await self._mlflow.has_dataset(workspace, dataset):
            raise NotFoundError(f"Your tenant has no dataset {dataset!r}.")

    async def _is_own(self, workspace: str, resource: str, lookup: Lookup) -> bool:
        key = (lookup.__name__, workspace, resource)
        if key in self._own:
            return True
        if not await lookup(workspace, resource):
            return False
        if len(self._own) >= CAPACITY:
            del self._own[next(iter(self._own))]
        self._own[key] = None
        return True
