"""`ModelRegistry`: what it logs to MLflow, and what it registers."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, Callable

import mlflow
import pytest

from hokusai.core import ModelRegistry
from hokusai.core.registry import default_registry
from hokusai.errors import (
    ConfigurationError,
    ConflictError,
    CredentialError,
    InputError,
    MetricError,
    ModelTypeError,
    NotFoundError,
)
from mlflow_stand_in import MLflowGateway, registered
from scripted import KEY, Response, ScriptedServer, problem

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"
TOKEN: dict[str, Any] = {
    "model_name": "CHURN",
    "token_id": "churn",
    "metric_name": "f1",
    "baseline_value": 0.75,
}

pytestmark = [
    pytest.mark.usefixtures("isolated_mlflow"),
    # MLflow warns about its own modules while it logs models.
    pytest.mark.filterwarnings("ignore"),
]


# Without this, MLflow loads each model in a process of its own to find out what it imports.
QUICK: dict[str, Any] = {"log_options": {"pip_requirements": ["mlflow"]}}


def double(rows: Any) -> Any:
    return rows * 2


@pytest.fixture
def gateway(server: ScriptedServer, tmp_path: Path) -> MLflowGateway:
    running = MLflowGateway(tmp_path / "artifacts")
    for kind in ("baseline", "improved", "tokenized"):
        running.responses["POST", f"/models/{kind}"] = registered(kind=kind)
    running.responses["GET", "/models/hkm_0"] = Response(document={"model_id": "hkm_0"})
    server.respond_with(running)
    return running


@pytest.fixture
def registry(server: ScriptedServer, gateway: MLflowGateway) -> ModelRegistry:
    return ModelRegistry(server.url, api_key=KEY)


# --- creating a registry ---


def test_it_becomes_mlflows_tracking_server_and_the_default(
    server: ScriptedServer, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == server.url
    assert registry.tracking_uri == server.url
    assert default_registry() is registry
    assert repr(registry) == f"ModelRegistry('{server.url}')"
    assert server.requests == []


def test_without_a_url_or_with_a_bad_one_there_is_no_registry() -> None:
    with pytest.raises(ConfigurationError, match="HOKUSAI_URL"):
        ModelRegistry()
    with pytest.raises(ConfigurationError, match="must look like"):
        ModelRegistry("./mlruns")
    with pytest.raises(ConfigurationError, match="must begin with https://"):
        ModelRegistry("localhost:8000")
    assert default_registry() is None


# --- models in memory ---


def test_a_model_that_no_flavour_logs_leaves_no_run(
    server: ScriptedServer, registry: ModelRegistry
) -> None:
    with pytest.raises(ModelTypeError):
        registry.register_baseline(model=object(), model_type="c")
    with pytest.raises(InputError, match="nothing"):
        registry.register_baseline(model=object(), model_type="c", flavor="nothing")
    assert server.requests == []


def test_a_model_is_logged_to_a_run_of_its_own_and_registered(
    registry: ModelRegistry, gateway: MLflowGateway
) -> None:
    metadata = {"accuracy": 0.9, "dataset": "d"}
    model = registry.register_baseline(double, "numbers", metadata, **QUICK)

    assert model.model_id == "hkm_1"
    ((run_id, run),) = gateway.runs.items()
    assert gateway.status(run_id) == "FINISHED"
    assert run["info"]["run_name"] == "hokusai-baseline"
    assert gateway.metrics(run_id) == {"accuracy": 0.9}
    (request,) = gateway.requests
    uri = request.json["model_uri"]
    # MLflow 2 uploads them in a way that shows no files.
    files = request.json.get("files")
    assert files is None or "MLmodel" in [file["path"] for file in files]
    assert {name: value for name, value in request.json.items() if name != "files"} == {
        "model_type": "numbers",
        "metadata": {"accuracy": 0.9, "dataset": "d"},
        "model_uri": uri,
    }
    assert mlflow.pyfunc.load_model(uri).predict(21) == 42
    assert mlflow.active_run() is None


def test_a_model_is_logged_to_the_active_run(
    registry: ModelRegistry, gateway: MLflowGateway
) -> None:
    with mlflow.start_run() as run:
        registry.register_baseline(double, "numbers", metrics={"accuracy": 0.9}, **QUICK)
        registry.register_tokenized_model(model=double, **TOKEN, **QUICK)
        assert gateway.status(run.info.run_id) == "RUNNING"

    assert list(gateway.runs) == [run.info.run_id]
    assert gateway.metrics(run.info.run_id) == {"accuracy": 0.9}


def test_an_improvement_without_metrics_logs_none(
    registry: ModelRegistry, gateway: MLflowGateway
) -> None:
    registry.register_improved_model("hkm_0", double, ADDRESS, {"samples": 9}, **QUICK)

    (run_id,) = gateway.runs
    assert gateway.metrics(run_id) == {}
    baseline, registration = gateway.requests
    assert (baseline.method, baseline.path) == ("GET", "/api/models/hkm_0")
    assert registration.json["contributor_address"] == ADDRESS
    assert registration.json["data_contribution"] == {"samples": 9}


def test_an_improvement_on_an_unknown_baseline_uploads_nothing(
    registry: ModelRegistry, gateway: MLflowGateway
) -> None:
    with pytest.raises(NotFoundError):
        registry.register_improved_model("hkm_none", double, ADDRESS)
    assert gateway.runs == {}


def test_if_the_registration_fails_the_uri_of_the_model_is_logged(
    registry: ModelRegistry, gateway: MLflowGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hokusai")
    gateway.responses["POST", "/models/baseline"] = problem(409, "conflict")
    with pytest.raises(ConflictError):
        registry.register_baseline(double, "numbers", **QUICK)

    # MLflow 2 has no logged models, and names the artifact of the run.
    uri = re.search(r"is in MLflow as (models:/m-\w+|runs:/\w+/model)\.", caplog.text)
    assert uri, caplog.text
    assert "Pass that as model_uri" in caplog.text
    (run_id,) = gateway.runs
    assert gateway.status(run_id) == "FAILED"


# --- models in MLflow ---


def test_a_model_in_mlflow_is_registered_by_its_uri_or_run(
    registry: ModelRegistry, gateway: MLflowGateway
) -> None:
    registry.register_baseline(
        model_type="numbers",
        run_id="5d0f",
        artifact_path="best",
        name="n",
        private=True,
        metrics={"f1": 0.5},
        primary_metric="f1",
        higher_is_better={"f1": True},
        idempotency_key="mine",
    )
    registry.register_improved_model(
        "hkm_0",
        data_contribution=[{"contributor": ADDRESS}, {"contributor": ADDRESS, "samples": 2}],
        model_uri="models:/n/2",
    )
    registry.register_tokenized_model(
        "runs:/5d0f/model", **TOKEN, additional_tags={"stage": "x", "build": 7}
    )

    baseline, improved, tokenized = gateway.requests
    assert baseline.json == {
        "model_type": "numbers",
        "run_id": "5d0f",
        "artifact_path": "best",
        "name": "n",
        "private": True,
        "metrics": {"f1": 0.5},
        "primary_metric": "f1",
        "higher_is_better": {"f1": True},
    }
    assert baseline.headers["Idempotency-Key"] == "mine"
    assert improved.json == {
        "baseline_model_id": "hkm_0",
        "data_contribution": [{"contributor": ADDRESS}, {"contributor": ADDRESS, "samples": 2}],
        "model_uri": "models:/n/2",
    }
    assert tokenized.json == {
        **TOKEN,
        "model_uri": "runs:/5d0f/model",
        "additional_tags": {"stage": "x", "build": 7},
    }
    assert gateway.runs == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda registry: registry.register_baseline(double), "model_type is missing"),
        (lambda registry: registry.register_baseline(model_type="t"), "exactly one of"),
        (
            lambda registry: registry.register_baseline(double, "t", run_id="r"),
            "exactly one of",
        ),
        (
            lambda registry: registry.register_baseline(
                model_type="t", run_id="r", flavor="sklearn"
            ),
            "is in MLflow already",
        ),
        (
            lambda registry: registry.register_improved_model("hkm_0", run_id="r"),
            "contributor_address is missing",
        ),
        (
            lambda registry: registry.register_improved_model("hkm_0", double, "0x12"),
            "not a valid Ethereum address",
        ),
        (
            lambda registry: registry.register_improved_model(
                "hkm_0", double, ADDRESS, {"contributor": 7}
            ),
            "not a valid Ethereum address",
        ),
        (
            lambda registry: registry.register_tokenized_model("runs:/r/m", "n", "t", "f1"),
            "baseline_value is missing",
        ),
        (
            lambda registry: registry.register_tokenized_model("runs:/r/m"),
            "model_name is missing",
        ),
    ],
)
def test_wrong_arguments_are_rejected_before_anything_is_sent(
    registry: ModelRegistry,
    server: ScriptedServer,
    call: Callable[[ModelRegistry], Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        call(registry)
    assert server.requests == []


def test_a_metric_that_is_not_finite_is_rejected(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    with pytest.raises(MetricError, match="accuracy"):
        registry.register_baseline(double, "t", {"metrics": {"accuracy": float("nan")}})
    with pytest.raises(MetricError, match="baseline_value"):
        registry.register_tokenized_model("runs:/r/m", **{**TOKEN, "baseline_value": "high"})
    assert server.requests == []


# --- activating ---


def test_activate_points_mlflow_back_at_the_gateway(
    server: ScriptedServer, registry: ModelRegistry, tmp_path: Path
) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    registry.activate()

    assert mlflow.get_tracking_uri() == server.url


def test_activate_requires_a_credential(server: ScriptedServer) -> None:
    registry = ModelRegistry(server.url)

    with pytest.raises(CredentialError, match="HOKUSAI_API_KEY"):
        registry.activate()


def test_a_run_at_another_tracking_server_has_to_end_first(
    registry: ModelRegistry, gateway: MLflowGateway
) -> None:
    with mlflow.start_run():
        mlflow.set_tracking_uri("http://127.0.0.1:1")
        with pytest.raises(ConfigurationError, match="End the run first"):
            registry.register_baseline(double, "numbers")
        mlflow.set_tracking_uri(registry.tracking_uri)
    assert gateway.requests == []
