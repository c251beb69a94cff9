"""Which model in MLflow a request means."""

import re
from dataclasses import dataclass

from app.core.errors import NotFoundError, UnprocessableError
from app.mlflow.client import MLflowClient

MAX_URI = 2048
MAX_NAME = 256
FORMS = "runs:/<run id>/<path>, models:/<name>/<version>, or models:/<id of a logged model>"

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LOGGED = re.compile(r"m-[A-Za-z0-9_-]{1,98}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
# What would mean something else to whoever decodes or resolves it.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_UNSAFE = re.compile(rf"[{_CONTROL}\\?#%]")

# The same for JSON Schema, which says it in the API's document. A segment is neither `.` nor `..`.
_REST = rf"/\\?#%{_CONTROL}"
_SEGMENT = rf"([^.{_REST}][^{_REST}]*|\.[^.{_REST}][^{_REST}]*|\.\.[^{_REST}]+)"
RUN_ID_PATTERN = f"^{_ID.pattern}$"
PATH_PATTERN = f"^/*{_SEGMENT}(/{_SEGMENT})*/*$"
URI_PATTERN = (
    f"^(runs:/{_ID.pattern}(/{_SEGMENT})+|models:/{_LOGGED.pattern}"
    rf"|models:/[^.:{_REST}][^:{_REST}]*/{_VERSION.pattern})$"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model as a request names it: files of a run, a logged model, or a registered version."""

    uri: str
    run_id: str | None = None
    path: str | None = None
    logged_model: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A model as MLflow has it.

    source, run_id, logged_model: what a new version is made from.
    metrics: the run's last values, also those that are not finite, without system metrics.
    name, version: of the version that it is already.
    """

    uri: str
    source: str
    run_id: str | None
    logged_model: str | None
    metrics: dict[str, float]
    name: str | None = None
    version: str | None = None


def wanted(model_uri: str | None, run_id: str | None, artifact_path: str) -> Wanted:
    """The model of a request's `model_uri`, or of its `run_id` and `artifact_path`.

    Raises UnprocessableError where it is in none of the three forms.
    """
    if model_uri is None:
        model_uri = f"runs:/{run_id}/{artifact_path.strip('/')}"
    scheme, _, rest = model_uri.partition(":/")
    parts = rest.split("/")
    if (
        len(model_uri) <= MAX_URI
        and _UNSAFE.search(model_uri) is None
        and not {"", ".", ".."} & set(parts)
    ):
        if scheme == "runs" and len(parts) > 1 and _ID.fullmatch(parts[0]):
            return Wanted(model_uri, run_id=parts[0], path="/".join(parts[1:]))
        if scheme == "models" and len(parts) == 1 and _LOGGED.fullmatch(rest):
            return Wanted(model_uri, logged_model=rest)
        if scheme == "models" and len(parts) == 2 and _VERSION.fullmatch(parts[1]):
            return Wanted(model_uri, name=check_name(parts[0]), version=parts[1])
    if run_id is not None:
        raise UnprocessableError(
            "run_id and artifact_path name no model: run_id is the id of an MLflow run, and "
            "artifact_path the path of a model in it, such as `model`."
        )
    raise UnprocessableError(
        f"model_uri names no model in a form that stays the same: it is {FORMS}."
    )


async def find(mlflow: MLflowClient, workspace: str | None, asked: Wanted) -> Found:
    """Look a model up in its tenant's workspace. Raises NotFoundError where it is not there."""
    if asked.version is not None:
        assert asked.name is not None
        version = await mlflow.model_version(workspace, asked.name, asked.version)
        if version is None:
            raise NotFoundError(f"There is no version {asked.version} of a model {asked.name!r}.")
        metrics = await _metrics(mlflow, workspace, version.run_id)
        return Found(
            asked.uri, asked.uri, version.run_id, None, metrics, version.name, version.version
        )
    if asked.logged_model is not None:
        model = await mlflow.logged_model(workspace, asked.logged_model)
        if model is None:
            raise NotFoundError(f"There is no logged model {asked.logged_model!r} of yours.")
        metrics = await _metrics(mlflow, workspace, model.run_id)
        return Found(asked.uri, f"models:/{model.model_id}", model.run_id, model.model_id, metrics)
    assert asked.run_id is not None
    assert asked.path is not None
    run = await mlflow.run(workspace, asked.run_id)
    if run is None:
        raise NotFoundError(f"There is no run {asked.run_id!r} of yours.")
    if await mlflow.has_artifacts(workspace, run.run_id, asked.path):
        source = f"{run.artifact_uri.rstrip('/')}/{asked.path}"
        return Found(asked.uri, source, run.run_id, None, run.model_metrics)
    # As MLflow's own client does: the model of that name that the run logged last.
    logged = await mlflow.logged_models_of_run(workspace, run, asked.path)
    if not logged:
        raise NotFoundError(
            f"The run {run.run_id} has no model at {asked.path!r}. Log one there first, for "
            f"example with mlflow.sklearn.log_model(model, {asked.path!r})."
        )
    newest = max(logged, key=lambda one: (run.outputs.get(one.model_id, -1), one.created))
    source = f"models:/{newest.model_id}"
    return Found(asked.uri, source, run.run_id, newest.model_id, run.model_metrics)


def check_name(name: str) -> str:
    """A name that a registered model can have in MLflow.

    Raises UnprocessableError for one that is empty or too long, and for `/`, `:` and control
    characters, which MLflow refuses or a URI cannot hold.
    """
    if (
        not name.strip()
        or len(name) > MAX_NAME
        or name in (".", "..")
        or re.search(r"[/:\x00-\x1f\x7f]", name) is not None
    ):
        raise UnprocessableError(
            f"A model's name has 1 to {MAX_NAME} characters and none of them is a slash, a colon "
            "or a control character."
        )
    return name


def derived_name(model_type: str, suffix: str) -> str:
    """A name for whoever gives none: the model's type and something that makes it its own."""
    words = re.sub(r"[^a-z0-9_]+", "-", model_type.lower()).strip("-")[:100]
    return f"{words or 'model'}-{suffix}"


async def _metrics(
    mlflow: MLflowClient, workspace: str | None, run_id: str | None
) -> dict[str, float]:
    run = await mlflow.run(workspace, run_id) if run_id else None
    return run.model_metrics if run is not None else {}
