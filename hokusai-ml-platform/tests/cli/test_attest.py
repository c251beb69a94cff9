"""`hokusai attest`: the request, and what is shown and saved of the response."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from scripted import Response, ScriptedServer, problem
from vector_file import IMPROVEMENT, VECTORS

from .conftest import Command


@pytest.fixture
def gateway(connected: ScriptedServer) -> ScriptedServer:
    connected.respond_with(Response(201, IMPROVEMENT))
    return connected


def test_a_registered_model_is_attested_and_saved(
    command: Command, gateway: ScriptedServer, tmp_path: Path
) -> None:
    file = tmp_path / "attestation.json"
    outcome = command("attest", "hkm_1", "-o", str(file))

    assert outcome.code == 0, outcome.err
    assert json.loads(file.read_text()) == IMPROVEMENT
    assert f"attestation     {IMPROVEMENT['hash']}" in outcome.out
    assert "improvement     3 percentage points" in outcome.out
    assert str(file) in outcome.out
    assert gateway.requests[0].path == "/api/attestations"
    assert gateway.requests[0].json == {"model_id": "hkm_1"}


def test_a_bundle_is_saved_beside_it(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    connected.respond_with(Response(201, IMPROVEMENT), Response(200, {"dsseEnvelope": {}}))
    file = tmp_path / "bundle.json"
    outcome = command("attest", "hkm_1", "--bundle", str(file))

    assert outcome.code == 0, outcome.err
    assert json.loads(file.read_text()) == {"dsseEnvelope": {}}
    assert str(file) in outcome.out
    assert connected.requests[1].path == f"/api/attestations/{IMPROVEMENT['hash']}/bundle"


def test_the_numbers_to_attest_and_who_may_read_them_can_be_said(
    command: Command, gateway: ScriptedServer
) -> None:
    for options, expected in (
        (["--refresh", "--public"], {"refresh": True, "private": False}),
        (["--registered", "--private"], {"refresh": False, "private": True}),
    ):
        assert command("attest", "hkm_1", *options).code == 0
        assert gateway.requests[-1].json == {"model_id": "hkm_1", **expected}


def test_two_runs_are_attested_with_the_callers_numbers_and_contribution(
    command: Command, gateway: ScriptedServer, tmp_path: Path
) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(b"a,b\n1,2\n")
    outcome = command(
        *("attest", "--baseline-run", "b", "--improved-run", "i", "--json"),
        *("--metric", "f1=0.6", "--baseline-metric", "f1=0.5", "--primary-metric", "f1"),
        *("--contributor", "0xab", "--samples", "9", "--data", str(data)),
        *("--idempotency-key", "mine"),
    )

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == IMPROVEMENT
    (request,) = gateway.requests
    assert request.headers["Idempotency-Key"] == "mine"
    assert request.json == {
        "baseline_run_id": "b",
        "improved_run_id": "i",
        "metrics": {"baseline": {"f1": 0.5}, "improved": {"f1": 0.6}},
        "primary_metric": "f1",
        "data_contribution": {
            "contributor": "0xab",
            "samples": 9,
            "data_hash": hashlib.sha256(b"a,b\n1,2\n").hexdigest(),
        },
    }


def test_changed_metrics_name_the_options_that_say_which(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(problem(409, "metrics_changed"))
    assert "--registered" in command("attest", "hkm_1").err


def test_numbers_of_the_baseline_alone_are_sent_too(
    command: Command, gateway: ScriptedServer
) -> None:
    command("attest", "hkm_1", "--baseline-metric", "f1=0.5")

    metrics = gateway.requests[0].json["metrics"]
    assert metrics == {"baseline": {"f1": 0.5}, "improved": {}}


def test_a_claim_needs_no_model(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(201, VECTORS["attestations"]["claimed"]))
    outcome = command("attest", "--claimed", "--metric", "accuracy=1")

    assert outcome.code == 0, outcome.err
    assert "claimed" in outcome.out
    assert connected.requests[0].json == {"kind": "claimed", "metrics": {"accuracy": 1.0}}


def test_without_a_baseline_no_improvement_is_shown(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(201, VECTORS["attestations"]["one_model"]))

    assert "percentage points" not in command("attest", "hkm_1").out


def test_an_existing_attestation_is_fetched(command: Command, gateway: ScriptedServer) -> None:
    outcome = command("attest", "--fetch", IMPROVEMENT["hash"], "--json")

    assert json.loads(outcome.out) == IMPROVEMENT
    (request,) = gateway.requests
    assert (request.method, request.path) == ("GET", f"/api/attestations/{IMPROVEMENT['hash']}")


def test_if_the_file_cannot_be_written_nothing_is_requested(
    command: Command, gateway: ScriptedServer, tmp_path: Path
) -> None:
    outcome = command("attest", "hkm_1", "-o", str(tmp_path / "missing" / "a.json"))

    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert gateway.requests == []


def test_a_number_that_differs_from_mlflows_is_refused(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(problem(422, "claim_disagrees"))
    outcome = command("attest", "hkm_1", "--metric", "accuracy=0.99")

    assert (outcome.code, outcome.out) == (1, "")
    assert "claim_disagrees" in outcome.err


def test_an_evaluation_on_a_benchmark_is_sent_and_its_judgement_shown(
    command: Command, connected: ScriptedServer
) -> None:
    counts = {
        "baseline": {"successes": 850, "sample_size": 1000},
        "improved": {"successes": 860, "sample_size": 1000},
    }
    for acceptance, shown in (
        ({"accepted": True, "reason": "accepted"}, "churn: accepted"),
        ({"accepted": False, "reason": "delta_below_threshold"}, "(delta_below_threshold)"),
    ):
        evaluation = {"benchmark": {"name": "churn"}, "acceptance": acceptance}
        data = {**IMPROVEMENT["data"], "evaluation": evaluation}
        connected.respond_with(Response(201, {**IMPROVEMENT, "data": data}))
        outcome = command(
            *("attest", "hkm_1", "--benchmark", "hkb_1", "--evaluation", json.dumps(counts))
        )
        assert outcome.code == 0, outcome.err
        assert shown in outcome.out
    assert connected.requests[0].json == {
        "model_id": "hkm_1",
        "benchmark_id": "hkb_1",
        "evaluation": counts,
    }


def test_a_benchmark_needs_its_counts(command: Command, connected: ScriptedServer) -> None:
    outcome = command("attest", "hkm_1", "--benchmark", "hkb_1")
    assert (outcome.code, connected.requests) == (2, [])
    assert "together" in outcome.err
