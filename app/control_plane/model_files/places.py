"""Where in MLflow the files of a registered model are."""

import re

from app.access.tenants.workspaces import Workspaces
from app.control_plane.model_files.reading import UnreadableError
from app.control_plane.registry.model_uri import parse_reference, resolve
from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import GATEWAY, Presence
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.mlflow.artifacts import Artifacts, Place
from app.mlflow.client import MLflowClient
from app.mlflow.resources import ModelVersion

# The logged model that MLflow names in the URI of its files; whether it is one is looked up.
_LOGGED_MODEL = re.compile(r"/(m-[A-Za-z0-9_-]{1,98})/artifacts(?:/|$)")
# Versions made from versions that are followed.
MAX_COPIES = 10


class Places:
    """Finds the files of models. Only those of the tenant's own runs and logged models are read."""

    def __init__(self, mlflow: MLflowClient, workspaces: Workspaces, presence: Presence) -> None:
        self._mlflow = mlflow
        self._workspaces = workspaces
        self._presence = presence

    async def find(
        self, model: Model, caller: str, version: ModelVersion | None = None
    ) -> tuple[Artifacts, Place]:
        """The place of a model's files, and what reads them.

        caller: the tenant on whose share of the connections to MLflow they are received. version:
        the model's, where it has been read just now.

        Raises UnreadableError where there is none, UpstreamError and DatabaseUnavailableError.
        """
        workspaces = self._workspaces
        workspace = (
            workspaces.cached(model.tenant) or await workspaces.ensure(model.tenant, GATEWAY)
        ).name
        version = version or await self._presence.find_version(workspace, model)
        for _ in range(MAX_COPIES):
            if version is None:
                break
            place = await self._place(workspace, version)
            if isinstance(place, Place):
                return self._mlflow.artifacts(workspace, caller), place
            version = place
        raise UnreadableError("Its version was deleted in MLflow.")

    async def _place(
        self, workspace: str | None, version: ModelVersion
    ) -> Place | ModelVersion | None:
        """The place of a version's files, or the version that this one was made from.

        MLflow serves the files of `source`, whichever run or logged model the version names.
        """
        logged_model = version.logged_model
        if version.source == f"models:/{logged_model}":
            return Place(logged_model=logged_model)
        run = await self._mlflow.run(workspace, version.run_id) if version.run_id else None
        path = _below(run.artifact_uri, version.source) if run is not None else None
        if run is not None and path is not None:
            return Place(run_id=run.run_id, path=path)
        named = _LOGGED_MODEL.search(version.source)
        logged_model = logged_model or (named[1] if named else None)
        if logged_model is not None:
            model = await self._mlflow.logged_model(workspace, logged_model)
            path = _below(model.artifact_uri, version.source) if model is not None else None
            if path is not None:
                return Place(logged_model=logged_model, path=path)
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


def _below(root: str, uri: str) -> str | None:
    """The path of a URI below another one, "" for the same; None where it is elsewhere."""
    root, uri = root.rstrip("/"), uri.rstrip("/")
    if not root or not f"{uri}/".startswith(f"{root}/"):
        return None
    return uri.removeprefix(root).strip("/")
