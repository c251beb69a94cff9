"""Improvements where there is no gateway, and where there is one that refuses."""

from __future__ import annotations

import hashlib
import json

import pytest

from hokusai.core import registry
from hokusai.errors import (
    CredentialError,
    InputError,
    MetricError,
    ServerError,
    UnsignedAttestationWarning,
    ValidationError,
)
from hokusai.tracking import PerformanceTracker
from scripted import Answer, ScriptedServer, problem

CONTRIBUTION = {"contributor": "0x742d35Cc6634C0532925a3b844Bc9e7595f62341", "samples": 1000}


@pytest.fixture(autouse=True)
def _no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_default_registry", None)


def test_without_a_gateway_the_attestation_is_unsigned_and_says_so() -> None:
    with pytest.warns(UnsignedAttestationWarning, match="There is no gateway URL"):
        delta, attestation = PerformanceTracker().track_improvement(
            {"accuracy": 0.85}, {"accuracy": 0.92}, CONTRIBUTION
        )

    assert delta["accuracy"] == pytest.approx(0.07)
    assert attestation.kind == "unsigned"
    assert attestation.signature is attestation.log is attestation.proof is None
    # The guide's form: anybody can compute the hash again.
    text = json.dumps(attestation.data, sort_keys=True)
    assert attestation.bytes == text
    assert attestation.hash == hashlib.sha256(text.encode()).hexdigest()
    assert attestation.data["data_contribution"] == CONTRIBUTION


def test_a_gateway_that_is_away_is_the_same(
    monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_tests")
    monkeypatch.setattr("hokusai.tracking.performance.RETRY_SECONDS", 0)
    server.answers(problem(503, "upstream_busy"))

    with pytest.warns(UnsignedAttestationWarning, match="upstream_busy"):
        _, attestation = PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": 0.6})
    assert attestation["kind"] == "unsigned"


def test_the_environments_gateway_signs(
    monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_tests")
    server.answers(Answer(201, {"hash": "ab", "kind": "claimed"}))
    _, attestation = PerformanceTracker().track_improvement(
        {"f1": 0.5}, {"f1": 0.6, "more": 1}, CONTRIBUTION
    )

    assert attestation == {"hash": "ab", "kind": "claimed"}
    assert server.requests[0].json == {
        "kind": "claimed",
        "metrics": {"baseline": {"f1": 0.5}, "improved": {"f1": 0.6, "more": 1.0}},
        "data_contribution": CONTRIBUTION,
    }


def test_a_refusal_is_not_hidden(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> None:
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    tracker = PerformanceTracker()
    with pytest.raises(CredentialError):
        tracker.track_improvement({"f1": 0.5}, {"f1": 0.6})
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_tests")
    server.answers(problem(422, "validation_failed"))
    with pytest.raises(ValidationError):
        tracker.track_improvement({"f1": 0.5}, {"f1": 0.6})
    server.answers(problem(500, "internal_error"))
    with pytest.raises(ServerError):
        tracker.track_improvement({"f1": 0.5}, {"f1": 0.6})


def test_metrics_are_looked_at_first(server: ScriptedServer) -> None:
    with pytest.raises(MetricError, match="not finite"):
        PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": float("nan")})


def test_half_of_a_pair_is_refused() -> None:
    with pytest.raises(InputError, match="witnessed"):
        PerformanceTracker().track_improvement({"f1": 0.5}, {"f1": 0.6}, improved_run_id="r")
