"""Which model a registration is about: its URI parsed, and looked up in MLflow."""

from typing import Any

import pytest

from app.control_plane.registry.model_uri import (
    MAX_NAME,
    MAX_URI,
    ModelReference,
    check_name,
    derive_name,
    parse_reference,
    resolve,
)
from app.core.errors import NotFoundError, UnprocessableError
from app.mlflow.resources import LoggedModel, ModelVersion, Run

RUN = Run(
    run_id="r1",
    experiment_id="1",
    artifact_uri="mlflow-artifacts:/1/r1/artifacts/",
    metrics={"accuracy": 0.5, "system/cpu": 9.0},
    outputs={"m-old": 1, "m-new": 2},
)


class MLflow:
    """An MLflow with one run, a version of it, and two logged models of one name."""

    artifacts: frozenset[str] = frozenset({"model"})

    async def run(self, workspace: str | None, run_id: str) -> Run | None:
        assert workspace == "acme"
        return RUN if run_id == "r1" else None

    async def has_artifacts(self, _: str | None, run_id: str, path: str) -> bool:
        return run_id == "r1" and path in self.artifacts

    async def logged_models_of_run(self, _: str | None, run: Run, name: str) -> list[LoggedModel]:
        models = [LoggedModel("m-new", run.run_id, 1), LoggedModel("m-old", run.run_id, 9)]
        return models if name == "forest" else []

    async def logged_model(self, _: str | None, model_id: str) -> LoggedModel | None:
        return LoggedModel(model_id, "r1", 1) if model_id == "m-new" else None

    async def model_version(self, _: str | None, name: str, version: str) -> ModelVersion | None:
        return ModelVersion(name, version, "r1") if version == "1" else None


async def resolved(uri: str) -> Any:
    mlflow: Any = MLflow()
    return await resolve(mlflow, "acme", parse_reference(uri, None, ""))


# --- parsing ---


@pytest.mark.parametrize(
    ("uri", "reference"),
    [
        ("runs:/r1/model", ModelReference("runs:/r1/model", run_id="r1", path="model")),
        ("runs:/r1/a/b", ModelReference("runs:/r1/a/b", run_id="r1", path="a/b")),
        ("models:/m-1", ModelReference("models:/m-1", logged_model="m-1")),
        ("models:/a name/7", ModelReference("models:/a name/7", name="a name", version="7")),
        ("models:/a #1/7", ModelReference("models:/a #1/7", name="a #1", version="7")),
        ("models:/50% off/7", ModelReference("models:/50% off/7", name="50% off", version="7")),
        ("models:/a%2Fb/7", ModelReference("models:/a%2Fb/7", name="a%2Fb", version="7")),
    ],
)
def test_the_three_forms(uri: str, reference: ModelReference) -> None:
    assert parse_reference(uri, None, "ignored") == reference


@pytest.mark.parametrize("path", ["model", "/model/"])
def test_a_run_and_a_path_are_a_uri_of_the_first_form(path: str) -> None:
    assert parse_reference(None, "r1", path) == parse_reference("runs:/r1/model", None, "")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "runs:/r1",
        "runs:/r 1/model",
        "runs:/r1//model",
        "runs:/r1/../model",
        "runs:/r1/a%2fb",
        "runs:/r1/a#b",
        "models:/name",
        "models:/name/latest",
        "models:/name/0",
        "models:/name@alias",
        "models:/a:b/1",
        "models:/ /1",
        "file:///etc/passwd",
        "runs:/r1/" + "a" * MAX_URI,
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(UnprocessableError):
        parse_reference(uri, None, "")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("models:/what?/1", "question mark"), ("runs:/r1/50%", "one of"), ("runs:/r1/a#b", "one of")],
)
def test_a_character_that_no_uri_can_carry_is_named(uri: str, reason: str) -> None:
    with pytest.raises(UnprocessableError, match=reason):
        parse_reference(uri, None, "")


@pytest.mark.parametrize("name", ["a", "a name", "ü", "a.b", "x" * MAX_NAME])
def test_names_that_mlflow_takes(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a:b", "a\nb", "x" * (MAX_NAME + 1)])
def test_names_that_mlflow_or_a_uri_refuses(name: str) -> None:
    with pytest.raises(UnprocessableError, match="slash"):
        check_name(name)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("Churn prediction", "churn-prediction-1f"),
        ("指标", "model-1f"),
        ("a/b:c", "a-b-c-1f"),
        ("x" * 200, "x" * 100 + "-1f"),
    ],
)
def test_a_derived_name_is_a_valid_one(model_type: str, name: str) -> None:
    assert derive_name(model_type, "1f") == check_name(name)


# --- looking up ---


async def test_a_path_with_files_is_their_place() -> None:
    model = await resolved("runs:/r1/model")
    assert (model.source, model.run_id) == ("mlflow-artifacts:/1/r1/artifacts/model", "r1")
    assert (model.logged_model, model.existing) == (None, None)


async def test_system_metrics_are_not_the_models() -> None:
    for uri in ("runs:/r1/model", "runs:/r1/forest", "models:/m-new", "models:/n/1"):
        assert (await resolved(uri)).metrics == {"accuracy": 0.5}


async def test_a_path_without_files_is_the_model_that_the_run_logged_last() -> None:
    model = await resolved("runs:/r1/forest")
    assert (model.source, model.logged_model) == ("models:/m-new", "m-new")


async def test_a_logged_model_is_its_own_source() -> None:
    model = await resolved("models:/m-new")
    assert (model.source, model.run_id, model.logged_model) == ("models:/m-new", "r1", "m-new")


async def test_a_version_keeps_its_name_and_number() -> None:
    model = await resolved("models:/a name/1")
    assert model.source == "models:/a name/1"
    assert (model.existing.name, model.existing.version) == ("a name", "1")


@pytest.mark.parametrize(
    "uri", ["runs:/absent/model", "runs:/r1/absent", "models:/m-absent", "models:/n/2"]
)
async def test_what_does_not_exist_is_not_found(uri: str) -> None:
    with pytest.raises(NotFoundError):
        await resolved(uri)
