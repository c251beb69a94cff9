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
    "log_index": 7,
    "labels_released": None,
    "created_at": "2026-11-28T10:00:00Z",
}
RECORD = json.dumps(
    {
        "kind": "benchmark",
        **{name: FOUND[name] for name in FOUND if name not in ("log_index", "labels_released")},
        "created_at": "2026-11-28T10:00:00+00:00",
    }
)
DIGEST = hashlib.sha256(RECORD.encode()).hexdigest()
FOUND.update(record=RECORD, record_sha256=DIGEST)
ENTRY = {"kind": "benchmark", "subject": "hkb_1", "record_sha256": DIGEST}
# A record that leaves open how many rows there are, and one that is no object.
INCOMPLETE = RECORD.replace('"rows": 1024, ', "")
NO_OBJECT = "[]"
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
        *("--family", "proportion"),
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
        "metric_family": "proportion",
        "higher_is_better": False,
        "guardrails": [{"metric": "latency_ms", "max_worsening": 5.0}],
        "min_examples": 1000,
        "label_commitment": "1f" * 32,
    }
    for text in ("hkb_1", "The auditors", "latency_ms at most 5 worse", DIGEST):
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


def log_page(**members: Any) -> Response:
    """The page of the log with the entry of the benchmark."""
    return Response(document={"entries": [{"entry": json.dumps({**ENTRY, **members})}]})


def recorded(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members of a benchmark with another record, and of the record's entry in the log."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"record": text, "record_sha256": digest}, {"record_sha256": digest}


def test_one_is_shown_and_compared_with_the_log(
    command: Command, connected: ScriptedServer
) -> None:
    released = {"log_index": 9, "at": "2026-11-29T10:00:00Z"}
    connected.respond_with(Response(document={**FOUND, "labels_released": released}), log_page())
    outcome = command("benchmark", "show", "hkb_1")
    assert [one.path for one in connected.requests] == [
        "/api/benchmarks/hkb_1",
        "/api/attestations/log/entries?start=7&limit=1",
    ]
    assert "2026-11-29T10:00:00Z" in outcome.out
    assert "the record has this hash, and the entry of the log as well" in outcome.out


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(
    ("found", "entry", "problem"),
    [
        ({"rows": 12}, {}, "rows is not as the record says"),
        ({"record": RECORD + " "}, {}, "not the SHA-256 of the record"),
        ({}, {"record_sha256": "9f" * 32}, "entry 7 of the log has another record_sha256"),
        ({}, {"subject": "hkb_2"}, "another subject"),
        ({}, {"kind": "predictions"}, "another kind"),
        (*recorded(INCOMPLETE), "the record does not say rows"),
        (*recorded(NO_OBJECT), "its record is not an object"),
    ],
)
def test_one_that_differs_from_the_log_is_refused(
    command: Command,
    connected: ScriptedServer,
    options: tuple[str, ...],
    found: dict[str, Any],
    entry: dict[str, Any],
    problem: str,
) -> None:
    connected.respond_with(Response(document={**FOUND, **found}), log_page(**entry))
    outcome = command("benchmark", "show", "hkb_1", *options)
    assert (outcome.code, outcome.out) == (1, "")
    assert problem in outcome.err


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
        Response(document=FOUND),
        log_page(),
        Response(document={"items": [FOUND], "next": None}),
    )
    assert json.loads(command("benchmark", "show", "hkb_1", "--json").out) == FOUND
    assert json.loads(command("benchmark", "list", "--json").out) == {"benchmarks": [FOUND]}
