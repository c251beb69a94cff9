"""`hokusai benchmark`: the requests, and what is shown."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from scripted import Response, ScriptedServer, problem

from .conftest import Command

FOUND: dict[str, Any] = {
    "benchmark_id": "hkb_1",
    "name": "churn-2026",
    "dataset_hash": "ab" * 32,
    "dataset_version": "2026-11",
    "split": "test",
    "rows": 1024,
    "metric": "accuracy",
    "metric_family": "proportion",
    "higher_is_better": True,
    "guardrails": [{"metric": "latency_ms", "higher_is_better": False, "max_worsening": 5.0}],
    "min_examples": 1000,
    "label_commitment": "1f" * 32,
    "label_holder": "The auditors",
    "tenant": "acme",
    "private": False,
    "record": "{}",
    "record_sha256": "9f" * 32,
    "log_index": 7,
    "labels_released": None,
    "created_at": "2026-11-28T10:00:00Z",
}
NEEDED = (
    *("--data-version", "2026-11", "--rows", "1024", "--metric", "accuracy"),
    *("--label-commitment", "1f" * 32),
)


def test_a_benchmark_is_registered_with_the_hash_of_its_data(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    data = tmp_path / "test.csv"
    data.write_bytes(b"x,y\n1,0\n")
    connected.respond_with(Response(201, FOUND))
    outcome = command(
        *("benchmark", "create", "churn-2026", "--data", str(data), *NEEDED),
        *("--guardrail", "latency_ms=5", "--min-examples", "1000", "--lower-is-better"),
    )

    assert outcome.code == 0, outcome.err
    (request,) = connected.requests
    assert (request.method, request.path) == ("POST", "/api/benchmarks")
    assert request.json == {
        "name": "churn-2026",
        "dataset_hash": hashlib.sha256(b"x,y\n1,0\n").hexdigest(),
        "dataset_version": "2026-11",
        "rows": 1024,
        "metric": "accuracy",
        "higher_is_better": False,
        "guardrails": [{"metric": "latency_ms", "max_worsening": 5.0}],
        "min_examples": 1000,
        "label_commitment": "1f" * 32,
    }
    for text in ("hkb_1", "The auditors", "latency_ms at most 5 worse", "9f" * 32):
        assert text in outcome.out


@pytest.mark.parametrize("options", [(), ("--data", "f", "--data-hash", "ab" * 32)])
def test_the_data_is_named_once(
    command: Command, connected: ScriptedServer, options: tuple[str, ...]
) -> None:
    outcome = command("benchmark", "create", "n", *options, *NEEDED)
    assert (outcome.code, connected.requests) == (2, [])
    assert "either --data or --data-hash" in outcome.err


def test_a_refusal_says_why(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(problem(422, "validation_failed"))
    outcome = command("benchmark", "create", "n", "--data-hash", "ab" * 32, *NEEDED)
    assert outcome.code == 1
    assert "It was validation_failed" in outcome.err


def test_benchmarks_are_listed(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document={"items": [FOUND], "next": None}))
    outcome = command("benchmark", "list", "--metric", "accuracy", "--limit", "5")
    assert outcome.code == 0, outcome.err
    assert connected.requests[0].path == "/api/benchmarks?metric=accuracy&limit=5"
    assert "hkb_1" in outcome.out
    assert "1024" in outcome.out


def test_none_is_said(command: Command, connected: ScriptedServer) -> None:
    for arguments in (("list",), ("show", "hkb_1", "--predictions")):
        connected.respond_with(Response(document={"items": [], "next": None}))
        outcome = command("benchmark", *arguments)
        assert "found" in outcome.err


def test_one_is_shown(command: Command, connected: ScriptedServer) -> None:
    released = {"log_index": 9, "at": "2026-11-29T10:00:00Z"}
    connected.respond_with(Response(document={**FOUND, "labels_released": released}))
    outcome = command("benchmark", "show", "hkb_1")
    assert connected.requests[0].path == "/api/benchmarks/hkb_1"
    assert "2026-11-29T10:00:00Z" in outcome.out


def test_its_predictions_are_listed(command: Command, connected: ScriptedServer) -> None:
    committed = {
        "model_id": "hkm_1",
        "commitment": "1f" * 32,
        "log_index": 8,
        "tenant": "acme",
        "created_at": "2026-11-28T10:00:00Z",
    }
    for arguments in ((), ("--json",)):
        connected.respond_with(Response(document={"items": [committed], "next": None}))
        outcome = command("benchmark", "show", "hkb_1", "--predictions", *arguments)
        assert "hkm_1" in outcome.out
    assert connected.requests[0].path == "/api/benchmarks/hkb_1/predictions"
    assert json.loads(outcome.out)["predictions"] == [committed]


def test_json_is_the_document(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(
        Response(document=FOUND), Response(document={"items": [FOUND], "next": None})
    )
    assert json.loads(command("benchmark", "show", "hkb_1", "--json").out) == FOUND
    assert json.loads(command("benchmark", "list", "--json").out) == {"benchmarks": [FOUND]}
