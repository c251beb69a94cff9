"""Starting runs in experiments."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
import pytest

from hokusai.batched_logging import BUFFERING, ENABLED
from hokusai.core import ModelRegistry
from hokusai.errors import ConfigurationError, CredentialError
from hokusai.tracking import ExperimentManager
from mlflow_stand_in import MLflowGateway, registered
from scripted import KEY, ScriptedServer, problem

pytestmark = pytest.mark.usefixtures("isolated_mlflow")


@pytest.fixture
def gateway(server: ScriptedServer, tmp_path: Path) -> MLflowGateway:
    running = MLflowGateway(tmp_path)
    server.respond_with(running)
    return running


def experiment_of(gateway: MLflowGateway, run_id: str) -> str:
    return gateway.experiments[gateway.runs[run_id]["info"]["experiment_id"]]


def tags_of(gateway: MLflowGateway, run_id: str) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in gateway.runs[run_id]["data"]["tags"]}


def test_a_run_is_active_inside_the_block_and_finished_after_it(
    server: ScriptedServer, gateway: MLflowGateway
) -> None:
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    with manager.start_experiment(
        "churn", run_name="first", tags={"team": "a"}, description="A test."
    ) as run:
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == run.info.run_id

    run_id = run.info.run_id
    assert mlflow.active_run() is None
    assert (experiment_of(gateway, run_id), gateway.status(run_id)) == ("churn", "FINISHED")
    assert gateway.runs[run_id]["info"]["run_name"] == "first"
    assert tags_of(gateway, run_id)["team"] == "a"
    assert tags_of(gateway, run_id)["mlflow.note.content"] == "A test."


def test_a_block_that_raises_ends_the_run_as_failed(
    server: ScriptedServer, gateway: MLflowGateway
) -> None:
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    with pytest.raises(RuntimeError, match="training"), manager.start_experiment("churn") as run:
        raise RuntimeError("training failed")

    assert gateway.status(run.info.run_id) == "FAILED"


def test_a_run_within_a_run_is_nested(server: ScriptedServer, gateway: MLflowGateway) -> None:
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    with manager.start_experiment("outer") as outer, manager.start_experiment("inner") as inner:
        pass

    assert experiment_of(gateway, inner.info.run_id) == "inner"
    assert tags_of(gateway, inner.info.run_id)["mlflow.parentRunId"] == outer.info.run_id


@pytest.mark.parametrize("inherited", [None, "7"])
def test_mlflows_active_experiment_is_restored(
    server: ScriptedServer,
    gateway: MLflowGateway,
    monkeypatch: pytest.MonkeyPatch,
    inherited: str | None,
) -> None:
    from mlflow.tracking import fluent

    if inherited is not None:
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", inherited)
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    with manager.start_experiment("churn"):
        assert fluent._active_experiment_id == "1"

    assert fluent._active_experiment_id is None
    assert os.environ.get("MLFLOW_EXPERIMENT_ID") == inherited


def test_the_default_is_the_registry_created_last(server: ScriptedServer) -> None:
    with pytest.raises(ConfigurationError, match="Create a ModelRegistry first"):
        ExperimentManager()
    ModelRegistry("https://first.example", api_key=KEY)
    last = ModelRegistry(server.url, api_key=KEY)

    assert ExperimentManager().registry is last


def test_a_credential_is_required(server: ScriptedServer) -> None:
    manager = ExperimentManager(ModelRegistry(server.url))

    with pytest.raises(CredentialError, match="HOKUSAI_API_KEY"):
        manager.start_experiment("churn").__enter__()
    assert server.requests == []


# --- logging in batches ---


def log_requests(server: ScriptedServer) -> list[str]:
    """The requests that logged something: the last part of the path of each."""
    names = [request.path.rpartition("/")[2] for request in server.requests]
    return [name for name in names if name.startswith("log-")]


def test_thousands_of_metrics_take_few_requests_and_all_arrive(
    server: ScriptedServer, gateway: MLflowGateway
) -> None:
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    with manager.start_experiment("churn") as run:
        for step in range(4000):
            mlflow.log_metric(f"m{step % 7}", step, step=step)
    logged = gateway.runs[run.info.run_id]["data"]["metrics"]
    assert sorted(one["step"] for one in logged) == list(range(4000))
    assert set(log_requests(server)) == {"log-batch"}
    assert len(log_requests(server)) < 40


def test_what_was_logged_is_there_when_it_is_read_inside_the_block(
    server: ScriptedServer, gateway: MLflowGateway
) -> None:
    registry = ModelRegistry(server.url, api_key=KEY)
    seen = []
    gateway.responses["POST", "/models/baseline"] = registered()
    with ExperimentManager(registry).start_experiment("churn") as run:
        for step in range(3):
            mlflow.log_metric(f"m{step}", step)
            seen.append(len(mlflow.get_run(run.info.run_id).data.metrics))
        mlflow.log_metric("last", 1.0)
        registry.register_baseline(run_id=run.info.run_id, model_type="t")
        seen.append(len(gateway.metrics(run.info.run_id)))
    assert seen == [1, 2, 3, 4]


def test_an_error_of_logging_is_raised_and_the_run_fails(
    server: ScriptedServer, gateway: MLflowGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    refusal = problem(400, "invalid_parameter")
    monkeypatch.setattr(gateway, "_log_batch", lambda arguments: refusal)
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    refused = pytest.raises(mlflow.exceptions.MlflowException, match="invalid_parameter")
    with refused, manager.start_experiment("churn"):
        mlflow.log_metric("a", 1.0)
    assert [gateway.status(run_id) for run_id in gateway.runs] == ["FAILED"]
    # A block without an error of its own does not raise that of another one.
    monkeypatch.setattr(gateway, "_log_batch", lambda arguments: {})
    with manager.start_experiment("churn"):
        mlflow.log_metric("a", 1.0)


@pytest.mark.parametrize("own", [None, "false", "true"])
def test_the_callers_settings_are_restored_and_respected(
    server: ScriptedServer,
    gateway: MLflowGateway,
    monkeypatch: pytest.MonkeyPatch,
    own: str | None,
) -> None:
    if own is not None:
        monkeypatch.setenv(ENABLED, own)
    monkeypatch.setenv(BUFFERING, "1")
    manager = ExperimentManager(ModelRegistry(server.url, api_key=KEY))
    with manager.start_experiment("churn"):
        assert os.environ[ENABLED] == (own or "true")
        assert os.environ[BUFFERING] == "1"
        mlflow.log_metric("a", 1.0)
        with manager.start_experiment("nested") as inner:
            mlflow.log_metric("b", 1.0)
        assert gateway.metrics(inner.info.run_id) == {"b": 1.0}
        assert os.environ[ENABLED] == (own or "true")
    assert os.environ.get(ENABLED) == own
    assert os.environ[BUFFERING] == "1"
    expected = "log-metric" if own == "false" else "log-batch"
    assert set(log_requests(server)) == {expected}
