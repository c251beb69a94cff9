"""Improvements, and their attestations by a gateway or without one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlflow
import pytest

from hokusai.core import ModelRegistry
from hokusai.errors import (
    CredentialError,
    InputError,
    MetricError,
    ServerError,
    UnsignedAttestationWarning,
    ValidationError,
)
from hokusai.tracking import PerformanceTracker
from mlflow_stand_in import MLflowGateway
from scripted import KEY, ConnectionReset, Response, ScriptedServer, Step, problem

CONTRIBUTION = {"contributor": "0x742d35Cc6634C0532925a3b844Bc9e7595f62341", "samples": 1000}

pytestmark = pytest.mark.usefixtures("isolated_mlflow")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> ScriptedServer:
    """The environment names the scripted gateway and a key."""
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", KEY)
    return server


def test_without_a_gateway_the_attestation_is_unsigned_and_a_warning_says_so() -> None:
    with pytest.warns(UnsignedAttestationWarning, match="There is no gateway URL"):
        delta, attestation = PerformanceTracker().track_improvement(
            {"accuracy": 0.85}, {"accuracy": 0.92}, CONTRIBUTION
        )

    assert delta["accuracy"] == pytest.approx(0.07)
    assert attestation.kind == "unsigned"
    assert attestation.signature is attestation.log is attestation.proof is None
    # The guide's form, so that anybody can compute the hash again.
    text = json.dumps(attestation.data, sort_keys=True)
    assert attestation.bytes == text
    assert attestation.hash == hashlib.sha256(text.encode()).hexdigest()
    assert attestation.data["data_contribution"] == CONTRIBUTION


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(problem(503, "upstream_busy"), "upstream_busy"), (ConnectionReset(), "connection failed")],
)
def test_if_the_gateway_cannot_be_reached_the_attestation_is_unsigned(
    monkeypatch: pytest.MonkeyPatch, configured: ScriptedServer, fault: Step, reason: str
) -> None:
    monkeypatch.setattr("hokusai.tracking.performance.RETRY_SECONDS", 0)
    configured.respond_with(fault)

    with pytest.warns(UnsignedAttestationWarning, match=reason):
        _, attestation = PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": 0.6})
    assert attestation["kind"] == "unsigned"


def test_the_gateway_in_the_environment_signs_a_claim(configured: ScriptedServer) -> None:
    configured.respond_with(Response(201, {"hash": "ab", "kind": "claimed"}))
    _, attestation = PerformanceTracker().track_improvement(
        {"f1": 0.5}, {"f1": 0.6, "more": 1}, CONTRIBUTION
    )

    assert attestation == {"hash": "ab", "kind": "claimed"}
    assert configured.requests[0].json == {
        "kind": "claimed",
        "metrics": {"baseline": {"f1": 0.5}, "improved": {"f1": 0.6, "more": 1.0}},
        "data_contribution": CONTRIBUTION,
    }


def test_naming_both_models_requests_a_witnessed_attestation(configured: ScriptedServer) -> None:
    configured.respond_with(Response(201, {"hash": "ab", "kind": "witnessed"}))
    PerformanceTracker().track_improvement(
        {"f1": 0.5}, {"f1": 0.6}, baseline_model_id="hkm_0", improved_run_id="r"
    )

    body = configured.requests[0].json
    assert body["kind"] == "witnessed"
    assert (body["baseline_model_id"], body["improved_run_id"]) == ("hkm_0", "r")


def test_the_improved_metrics_are_logged_to_the_active_run(
    server: ScriptedServer, tmp_path: Path
) -> None:
    gateway = MLflowGateway(tmp_path)
    gateway.responses["POST", "/attestations"] = Response(201, {"hash": "ab", "kind": "claimed"})
    server.respond_with(gateway)
    registry = ModelRegistry(server.url, api_key=KEY)
    with mlflow.start_run() as run:
        PerformanceTracker(registry).track_improvement({"f1": 0.5}, {"f1": 0.6})
    # Outside of a run, and with MLflow pointing elsewhere, nothing is logged.
    PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": 0.7})
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": 0.8})

    assert list(gateway.runs) == [run.info.run_id]
    assert gateway.metrics(run.info.run_id) == {"f1": 0.6}


def test_a_missing_credential_and_a_refusal_are_raised(
    monkeypatch: pytest.MonkeyPatch, configured: ScriptedServer
) -> None:
    tracker = PerformanceTracker()
    configured.respond_with(problem(422, "validation_failed"))
    with pytest.raises(ValidationError):
        tracker.track_improvement({"f1": 0.5}, {"f1": 0.6})
    configured.respond_with(problem(500, "internal_error"))
    with pytest.raises(ServerError):
        tracker.track_improvement({"f1": 0.5}, {"f1": 0.6})
    monkeypatch.delenv("HOKUSAI_API_KEY")
    with pytest.raises(CredentialError):
        tracker.track_improvement({"f1": 0.5}, {"f1": 0.6})


def test_metrics_are_validated_before_anything_is_sent(configured: ScriptedServer) -> None:
    with pytest.raises(MetricError, match="not finite"):
        PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": float("nan")})
    assert configured.requests == []


@pytest.mark.parametrize(
    "named",
    [
        {"improved_run_id": "r"},
        {"baseline_run_id": "r"},
        {"baseline_run_id": "r", "improved_run_id": "s", "improved_model_id": "hkm_1"},
    ],
)
def test_naming_one_model_or_naming_one_twice_is_rejected(named: dict[str, str]) -> None:
    with pytest.raises(InputError, match="witnessed"):
        PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": 0.6}, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("contribution", [{"contributor": "0x123..."}, [{"contributor": "0x1"}]])
def test_a_contributor_that_is_no_address_is_refused_before_anything_is_sent(
    server: ScriptedServer, contribution: Any
) -> None:
    tracker = PerformanceTracker(ModelRegistry(server.url, api_key=KEY))
    with pytest.raises(InputError, match="0x and 40 hexadecimal digits") as caught:
        tracker.track_improvement({"accuracy": 0.85}, {"accuracy": 0.92}, contribution)
    assert ("write the whole address" in str(caught.value)) == ("..." in str(contribution))
    assert server.requests == []
