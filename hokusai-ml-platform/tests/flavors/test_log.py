"""Logging models to a run in an MLflow store of the test's own."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Iterator

import mlflow
import pandas
import pytest
from sklearn.linear_model import LogisticRegression

from hokusai.errors import FlavorWarning, InputError
from hokusai.flavors import Logged, log_model
from hokusai.verify.model_files import hash_directory
from mlflow_stand_in import MLflowGateway
from scripted import ScriptedServer

pytestmark = [
    pytest.mark.usefixtures("isolated_mlflow"),
    # MLflow warns about its own modules while it logs models.
    pytest.mark.filterwarnings("ignore"),
]


# Without this, MLflow loads each model in a process of its own to find out what it imports.
QUICK = {"pip_requirements": ["mlflow"]}


@pytest.fixture
def run_id(server: ScriptedServer, tmp_path: Path) -> Iterator[str]:
    """The id of the active run."""
    server.respond_with(MLflowGateway(tmp_path / "artifacts"))
    mlflow.set_tracking_uri(server.url)
    with mlflow.start_run() as run:
        yield str(run.info.run_id)


class FakeFlavor(types.ModuleType):
    """A module of MLflow that only records the arguments of `log_model`."""

    def __init__(self, name: str, parameters: str) -> None:
        super().__init__(name)
        self.arguments: dict[str, Any] = {}
        namespace: dict[str, Any] = {"record": self.record}
        # The parameters of MLflow's functions differ between versions and flavours.
        exec(f"def log_model(model, {parameters}): return record(locals())", namespace)  # noqa: S102
        self.log_model = namespace["log_model"]

    def record(self, arguments: dict[str, Any]) -> Any:
        self.arguments = {name: value for name, value in arguments.items() if value is not None}
        return types.SimpleNamespace(model_uri="models:/m-1")


def fake_flavor(monkeypatch: pytest.MonkeyPatch, name: str, parameters: str) -> FakeFlavor:
    module = FakeFlavor(f"mlflow.{name}", parameters)
    monkeypatch.setitem(sys.modules, f"mlflow.{name}", module)
    return module


def test_a_function_is_logged_with_its_example_and_can_be_loaded(run_id: str) -> None:
    example = pandas.DataFrame({"x": [1.0, 2.0]})
    logged = log_model(lambda rows: rows * 2, run_id, input_example=example, options=QUICK)

    assert logged == Logged(logged.model_uri, run_id, "pyfunc", logged.files)
    loaded = mlflow.pyfunc.load_model(logged.model_uri)
    assert loaded.predict(pandas.DataFrame({"x": [21.0]}))["x"].tolist() == [42.0]
    assert loaded.metadata.signature is not None


@pytest.mark.skipif(
    not hasattr(mlflow.MlflowClient, "log_model_artifacts"), reason="MLflow 2 uploads otherwise"
)
def test_the_files_are_hashed_before_they_go_up(run_id: str, tmp_path: Path) -> None:
    logged = log_model(lambda rows: rows, run_id, options=QUICK)

    (place,) = {one.parent for one in (tmp_path / "artifacts").rglob("MLmodel")}
    assert logged.files == tuple(hash_directory(place))


def test_an_estimator_is_logged_in_a_format_that_takes_any_model(run_id: str) -> None:
    estimator = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    logged = log_model(estimator, run_id, options=QUICK)

    assert logged.flavor == "sklearn"
    assert mlflow.sklearn.load_model(logged.model_uri).predict([[2.0]]).tolist() == [1]


@pytest.mark.parametrize(
    ("parameters", "path_parameter"),
    [("name=None", "name"), ("artifact_path=None", "artifact_path")],
)
def test_the_artifact_path_is_passed_as_the_installed_mlflow_names_it(
    run_id: str, monkeypatch: pytest.MonkeyPatch, parameters: str, path_parameter: str
) -> None:
    module = fake_flavor(monkeypatch, "catboost", parameters)
    log_model(object(), run_id, flavor="catboost", artifact_path="best")

    assert module.arguments[path_parameter] == "best"


def test_options_are_passed_on_and_override_the_format(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fake_flavor(
        monkeypatch, "lightgbm", "name, serialization_format, signature=None, code_paths=None"
    )
    model, signature = object(), object()
    log_model(model, run_id, flavor="lightgbm", signature=signature)
    assert module.arguments == {
        "model": model,
        "name": "model",
        "serialization_format": "cloudpickle",
        "signature": signature,
    }
    options = {"serialization_format": "skops", "code_paths": ["a.py"]}
    log_model(model, run_id, flavor="lightgbm", options=options)
    assert module.arguments == {"model": model, "name": "model-2", **options}


def test_a_second_model_of_a_run_gets_another_path(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fake_flavor(monkeypatch, "catboost", "name")
    names = []
    for _ in range(3):
        log_model(object(), run_id, flavor="catboost")
        names.append(module.arguments["name"])

    assert names == ["model", "model-2", "model-3"]


def test_logging_a_transformer_without_its_tokenizer_warns(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_flavor(monkeypatch, "pytorch", "name, serialization_format")
    module = type("Module", (), {"__module__": "torch.nn.modules.module"})
    transformer = type("Bert", (module,), {"__module__": "transformers.models.bert"})

    with pytest.warns(FlavorWarning, match="without its tokenizer"):
        assert log_model(transformer(), run_id).flavor == "pytorch"


@pytest.mark.parametrize("flavor", ["nonsense", "os.path", "tracking", "../sklearn"])
def test_a_flavor_that_mlflow_does_not_have_is_rejected(flavor: str) -> None:
    with pytest.raises(InputError, match="flavour"):
        log_model(object(), "a run", flavor=flavor)
