"""`hokusai register`: the requests of its three commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

from hokusai.verify.model_files import hash_directory
from mlflow_stand_in import MLflowGateway
from scripted import Request, Response, ScriptedServer, problem

from .conftest import MODEL, Command

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"


def request_of(gateway: ScriptedServer) -> tuple[str, Any]:
    (request,) = gateway.requests
    return request.path, request.json


def of_known_runs(gateway: MLflowGateway, response: Response) -> Callable[[Request], Response]:
    """The response to a registration, if its run exists."""
    missing = problem(404, "not_found")
    return lambda request: response if request.json["run_id"] in gateway.runs else missing


@pytest.fixture
def gateway(connected: ScriptedServer) -> ScriptedServer:
    connected.respond_with(Response(201, MODEL))
    return connected


def test_a_baseline_of_a_run(command: Command, gateway: ScriptedServer) -> None:
    outcome = command(
        *("register", "baseline", "--type", "t", "--run", "r", "--path", "best", "--name", "n"),
        *("--private", "--metric", "f1=0.5", "--primary-metric", "f1"),
        *("--metadata", '{"dataset": "d"}', "--idempotency-key", "mine"),
    )

    assert outcome.code == 0, outcome.err
    assert "hkm_1" in outcome.out
    assert gateway.requests[0].headers["Idempotency-Key"] == "mine"
    assert request_of(gateway) == (
        "/api/models/baseline",
        {
            "model_type": "t",
            "run_id": "r",
            "artifact_path": "best",
            "name": "n",
            "private": True,
            "metrics": {"f1": 0.5},
            "primary_metric": "f1",
            "metadata": {"dataset": "d"},
        },
    )


def test_members_without_a_value_are_not_sent(command: Command, gateway: ScriptedServer) -> None:
    command("register", "baseline", "--type", "t", "--run", "r")

    assert request_of(gateway) == ("/api/models/baseline", {"model_type": "t", "run_id": "r"})


def test_an_improvement_with_several_contributors(
    command: Command, gateway: ScriptedServer
) -> None:
    outcome = command(
        *("register", "improved", "--baseline", "hkm_0", "--model-uri", "runs:/r/model"),
        *("--contribution", '{"contributor": "0xab"}'),
        *("--contribution", '{"contributor": "0xcd"}', "--json"),
    )

    assert json.loads(outcome.out) == MODEL
    assert request_of(gateway) == (
        "/api/models/improved",
        {
            "baseline_model_id": "hkm_0",
            "model_uri": "runs:/r/model",
            "data_contribution": [{"contributor": "0xab"}, {"contributor": "0xcd"}],
        },
    )


def test_a_tokenized_model(command: Command, gateway: ScriptedServer) -> None:
    command(
        *("register", "tokenized", "--model-name", "CHURN", "--token", "churn", "--run", "r"),
        *("--metric-name", "f1", "--baseline-value", "0.75", "--type", "t"),
        *("--tag", "stage=x", "--tag", "build=7"),
    )

    assert request_of(gateway) == (
        "/api/models/tokenized",
        {
            "model_name": "CHURN",
            "token_id": "churn",
            "metric_name": "f1",
            "baseline_value": 0.75,
            "model_type": "t",
            "additional_tags": {"stage": "x", "build": "7"},
            "run_id": "r",
        },
    )


@pytest.mark.usefixtures("isolated_mlflow")
def test_a_directory_is_uploaded_and_then_registered(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    gateway = MLflowGateway(tmp_path / "artifacts")
    gateway.responses["GET", "/models/hkm_0"] = Response(document=MODEL)
    gateway.responses["POST", "/models/improved"] = of_known_runs(gateway, Response(201, MODEL))
    connected.respond_with(gateway)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "MLmodel").write_text("flavors: {}\n")
    outcome = command(
        *("register", "improved", "--baseline", "hkm_0", "--model", str(tmp_path / "saved")),
        *("--contributor", ADDRESS, "--metric", "f1=0.5"),
    )

    assert outcome.code == 0, outcome.err
    (run_id,) = gateway.runs
    _, check, registration = gateway.requests
    expected = {**registration.json, "run_id": "0" * 32}
    del expected["artifact_path"], expected["files"]
    assert check.json == expected
    assert registration.json == {
        "baseline_model_id": "hkm_0",
        "contributor_address": ADDRESS,
        "data_contribution": {"contributor": ADDRESS},
        "run_id": run_id,
        "artifact_path": "model",
        "metrics": {"f1": 0.5},
        "files": [file._asdict() for file in hash_directory(tmp_path / "saved")],
    }


@pytest.mark.usefixtures("isolated_mlflow")
def test_nothing_is_uploaded_for_an_unknown_baseline(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    gateway = MLflowGateway(tmp_path / "artifacts")
    connected.respond_with(gateway)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    outcome = command(
        *("register", "improved", "--baseline", "hkm_none", "--model", str(tmp_path)),
        *("--contributor", ADDRESS),
    )

    assert outcome.code == 1
    assert "404 not_found" in outcome.err
    assert gateway.runs == {}


@pytest.mark.usefixtures("isolated_mlflow")
def test_nothing_is_uploaded_for_what_the_gateway_refuses(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    gateway = MLflowGateway(tmp_path / "artifacts")
    gateway.responses["GET", "/models/hkm_0"] = Response(document=MODEL)
    gateway.responses["POST", "/models/improved"] = problem(422, "validation_failed")
    connected.respond_with(gateway)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    outcome = command(
        *("register", "improved", "--baseline", "hkm_0", "--model", str(tmp_path)),
        *("--contributor", "0x742"),
    )

    assert outcome.code == 1
    assert "422 validation_failed" in outcome.err
    assert gateway.runs == {}


@pytest.mark.usefixtures("isolated_mlflow")
def test_after_an_upload_the_uri_to_go_on_from_is_shown(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    gateway = MLflowGateway(tmp_path / "artifacts")
    refusal = problem(409, "token_taken")
    gateway.responses["POST", "/models/baseline"] = of_known_runs(gateway, refusal)
    connected.respond_with(gateway)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    outcome = command("register", "baseline", "--type", "t", "--model", str(tmp_path))

    (run_id,) = gateway.runs
    assert outcome.code == 1
    assert f"runs:/{run_id}/model" in outcome.err
    assert f"--run {run_id}" in outcome.err
