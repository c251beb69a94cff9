"""Starting runs in experiments."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
import pytest

from hokusai.core import ModelRegistry
from hokusai.errors import ConfigurationError, CredentialError
from hokusai.tracking import ExperimentManager
from mlflow_stand_in import MLflowGateway
from scripted import KEY, ScriptedServer

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
