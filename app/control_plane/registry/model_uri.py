"""Which model in MLflow a registration is about: its URI, parsed and looked up."""

import re
from dataclasses import dataclass

from app.core.errors import DeletedInMLflowError, NotFoundError, UnprocessableError
from app.mlflow.client import MLflowClient
from app.mlflow.resources import ModelVersion, Run

MAX_URI = 2048
MAX_NAME = 256
FORMS = "runs:/<run id>/<path>, models:/<name>/<version>, or models:/<id of a logged model>"

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LOGGED_MODEL_ID = re.compile(r"m-[A-Za-z0-9_-]{1,98}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_CONTROL = r"\x00-\x1f\x7f-\x9f"
# Characters that would change the meaning of a path once it is decoded or resolved.
_UNSAFE = re.compile(rf"[{_CONTROL}\\?#%]")


# The same rules for JSON Schema, which the OpenAPI document shows. A segment is neither `.` nor
# `..`.
def _segment(excluded: str) -> str:
    return rf"([^.{excluded}][^{excluded}]*|\.[^.{excluded}][^{excluded}]*|\.\.[^{excluded}]+)"


_SEGMENT = _segment(rf"/\\?#%{_CONTROL}")
# MLflow reads `#` and `%` in a URI as part of the model's name, and `?` as the end of it.
_NAME = _segment(rf"/:?{_CONTROL}")
RUN_ID_PATTERN = f"^{_ID.pattern}$"
PATH_PATTERN = f"^/*{_SEGMENT}(/{_SEGMENT})*/*$"
URI_PATTERN = (
    f"^(runs:/{_ID.pattern}(/{_SEGMENT})+|models:/{_LOGGED_MODEL_ID.pattern}"
    rf"|models:/{_NAME}/{_VERSION.pattern})$"
)


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model as a request names it, in one of three forms.

    run_id and path: files of a run. logged_model: the id of a logged model. name and version: a
    version of a registered model.
    """

    uri: str
    run_id: str | None = None
    path: str | None = None
    logged_model: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that exists in MLflow.

    source, run_id, logged_model: what a new version of a registered model is made from.
    metrics: the run's last values, including those that are not finite, without system metrics.
    existing: the version of a registered model that it is already, if it is one.
    """

    uri: str
    source: str
    run_id: str | None
    logged_model: str | None
    metrics: dict[str, float]
    existing: ModelVersion | None = None


def parse_reference(
    model_uri: str | None, run_id: str | None, artifact_path: str
) -> ModelReference:
    """The model of a request's `model_uri`, or of its `run_id` and `artifact_path`.

    Raises UnprocessableError where the URI has none of the three forms.
    """
    if model_uri is None:
        model_uri = f"runs:/{run_id}/{artifact_path.strip('/')}"
    scheme, _, rest = model_uri.partition(":/")
    parts = rest.split("/")
    if len(model_uri) <= MAX_URI and not {"", ".", ".."} & set(parts):
        if scheme == "models" and len(parts) == 2 and _VERSION.fullmatch(parts[1]):
            if "?" in parts[0]:
                raise UnprocessableError(
                    "model_uri has a question mark in its name: MLflow reads what follows it as a "
                    "query, so no URI names this model. Register it by run_id with `name`, or "
                    "rename it in MLflow."
                )
            return ModelReference(model_uri, name=check_name(parts[0]), version=parts[1])
        if scheme == "models" and len(parts) == 1 and _LOGGED_MODEL_ID.fullmatch(rest):
            return ModelReference(model_uri, logged_model=rest)
        if scheme == "runs" and len(parts) > 1 and _ID.fullmatch(parts[0]):
            if _UNSAFE.search(rest) is not None:
                raise UnprocessableError(
                    "The path in model_uri, or artifact_path, has a control character or one of "
                    "\\ ? # %, which MLflow decodes or cuts off in a URI. Log the model under "
                    "another path."
                )
            return ModelReference(model_uri, run_id=parts[0], path="/".join(parts[1:]))
    if run_id is not None:
        raise UnprocessableError(
            "run_id and artifact_path do not name a model: run_id has to be the id of an MLflow "
            "run, and artifact_path the path of a model in it, such as `model`."
        )
    raise UnprocessableError(
        f"model_uri does not name one model permanently: it has to be {FORMS}."
    )


async def resolve(
    mlflow: MLflowClient, workspace: str | None, reference: ModelReference
) -> ResolvedModel:
    """Look a model up in its tenant's workspace.

    Raises NotFoundError where it does not exist, and DeletedInMLflowError where its run is deleted.
    """
    uri = reference.uri
    if reference.version is not None:
        assert reference.name is not None
        version = await mlflow.model_version(workspace, reference.name, reference.version)
        if version is None:
            raise NotFoundError(
                f"Your tenant has no version {reference.version} of a model {reference.name!r}."
            )
        metrics = await _metrics(mlflow, workspace, version.run_id)
        return ResolvedModel(uri, uri, version.run_id, None, metrics, version)
    if reference.logged_model is not None:
        model = await mlflow.logged_model(workspace, reference.logged_model)
        if model is None:
            raise NotFoundError(f"Your tenant has no logged model {reference.logged_model!r}.")
        metrics = await _metrics(mlflow, workspace, model.run_id)
        source = f"models:/{model.model_id}"
        return ResolvedModel(uri, source, model.run_id, model.model_id, metrics)
    assert reference.run_id is not None
    assert reference.path is not None
    run = await mlflow.run(workspace, reference.run_id)
    if run is None:
        raise NotFoundError(f"Your tenant has no run {reference.run_id!r}.")
    _require_not_deleted(run)
    if await mlflow.has_artifacts(workspace, run.run_id, reference.path):
        source = f"{run.artifact_uri.rstrip('/')}/{reference.path}"
        return ResolvedModel(uri, source, run.run_id, None, run.model_metrics)
    # As MLflow's own client resolves it: the model of that name that the run logged last.
    models = await mlflow.logged_models_of_run(workspace, run, reference.path)
    if not models:
        raise NotFoundError(
            f"The run {run.run_id} has no model at {reference.path!r}. Log one there first, for "
            f"example with mlflow.sklearn.log_model(model, {reference.path!r})."
        )
    newest = max(models, key=lambda model: (run.outputs.get(model.model_id, -1), model.created))
    source = f"models:/{newest.model_id}"
    return ResolvedModel(uri, source, run.run_id, newest.model_id, run.model_metrics)


def check_name(name: str) -> str:
    """The name itself, if a registered model can have it in MLflow.

    Raises UnprocessableError for one that is empty or too long, and for `/`, `:` and control
    characters, which MLflow refuses or a URI cannot contain.
    """
    if (
        not name.strip()
        or len(name) > MAX_NAME
        or name in (".", "..")
        or re.search(rf"[/:{_CONTROL}]", name) is not None
    ):
        raise UnprocessableError(
            f"A model's name has 1 to {MAX_NAME} characters, none of which is a slash, a colon or "
            "a control character."
        )
    return name


def derive_name(model_type: str, suffix: str) -> str:
    """The name of a registered model whose request gives none: its type and a unique suffix."""
    words = re.sub(r"[^a-z0-9_]+", "-", model_type.lower()).strip("-")[:100]
    return f"{words or 'model'}-{suffix}"


async def _metrics(
    mlflow: MLflowClient, workspace: str | None, run_id: str | None
) -> dict[str, float]:
    run = await mlflow.run(workspace, run_id) if run_id else None
    if run is None:
        return {}
    _require_not_deleted(run)
    return run.model_metrics


def _require_not_deleted(run: Run) -> None:
    """MLflow still shows a deleted run, but removes it later, and nothing can be attested of it."""
    if run.is_deleted:
        raise DeletedInMLflowError(
            f"The run {run.run_id} was deleted in MLflow, so its model cannot be registered. "
            "Restore the run first, or name another model."
        )
