"""Where in MLflow the files of a registered model are."""

from app.access.tenants.workspaces import Workspaces
from app.control_plane.model_files.reading import UnreadableError
from app.control_plane.registry.model_uri import parse_reference, resolve
from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import GATEWAY, Presence
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.mlflow.artifacts import Artifacts, Place
from app.mlflow.client import MLflowClient
from app.mlflow.resources import ModelVersion

# Versions made from versions that are followed.
MAX_COPIES = 10


class Places:
    """Finds the files of models. Only those of the tenant's own runs and logged models are read."""

    def __init__(self, mlflow: MLflowClient, workspaces: Workspaces, presence: Presence) -> None:
        self._mlflow = mlflow
        self._workspaces = workspaces
        self._presence = presence

    async def find(self, model: Model) -> tuple[Artifacts, Place]:
        """The place of a model's files, and what reads them.

        Raises UnreadableError where there is none, UpstreamError and DatabaseUnavailableError.
        """
        workspaces = self._workspaces
        workspace = (
            workspaces.cached(model.tenant) or await workspaces.ensure(model.tenant, GATEWAY)
        ).name
        version = await self._presence.find_version(workspace, model)
        for _ in range(MAX_COPIES):
            if version is None:
                break
            place = await self._place(workspace, version)
            if isinstance(place, Place):
                return self._mlflow.artifacts(workspace, model.tenant), place
            version = place
        raise UnreadableError("Its version was deleted in MLflow.")

    async def _place(
        self, workspace: str | None, version: ModelVersion
    ) -> Place | ModelVersion | None:
        """The place of a version's files, or the version that this one was made from."""
        if version.logged_model is not None:
            return Place(logged_model=version.logged_model)
        run = await self._mlflow.run(workspace, version.run_id) if version.run_id else None
        if run is not None:
            root = f"{run.artifact_uri.rstrip('/')}/"
            if version.source.startswith(root):
                return Place(run_id=run.run_id, path=version.source.removeprefix(root).strip("/"))
        try:
            reference = parse_reference(version.source, None, "")
            if reference.version is not None:
                assert reference.name is not None
                return await self._mlflow.model_version(
                    workspace, reference.name, reference.version
                )
            found = await resolve(self._mlflow, workspace, reference)
        except (UnprocessableError, NotFoundError, ConflictError):
            raise UnreadableError(
                "Its version in MLflow was made from something else than a run or a logged model "
                "of its tenant, or from one that was deleted."
            ) from None
        if found.logged_model is not None:
            return Place(logged_model=found.logged_model)
        return Place(run_id=reference.run_id, path=reference.path or "")
