"""`hokusai models`: lists, single models, and the tree of improvements."""

from __future__ import annotations

import json
from typing import Any

from scripted import Response, ScriptedServer

from .conftest import MODEL, Command

SHARE = {"address": "0xab", "weight_bps": 2500}
DELTA = {"accuracy": {"baseline": 0.85, "improved": 0.88, "delta": 0.03}}
IMPROVED: dict[str, Any] = {
    **MODEL,
    "model_id": "hkm_2",
    "kind": "improved",
    "baseline_model_id": "hkm_1",
    "delta": DELTA,
    "contributors": [SHARE],
    "attestations": ["9f", "a0"],
    "private": True,
}


def lines(out: str) -> list[str]:
    return [" ".join(line.split()) for line in out.splitlines()]


def test_list_shows_a_table(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document={"items": [IMPROVED, MODEL], "next": None}))
    outcome = command("models", "list", "--kind", "improved", "--tenant", "acme", "--limit", "7")

    assert lines(outcome.out) == [
        "MODEL KIND MLFLOW TYPE TENANT METRICS",
        "hkm_2 improved churn/3 classification acme accuracy 0.85",
        "hkm_1 baseline churn/3 classification acme accuracy 0.85",
    ]
    assert connected.requests[0].path == "/api/models?kind=improved&tenant=acme&limit=7"


def test_list_writes_json_and_stops_at_the_limit(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(document={"items": [IMPROVED, MODEL], "next": "c"}))
    outcome = command("models", "list", "--json", "--limit", "3")

    assert json.loads(outcome.out) == {"models": [IMPROVED, MODEL, IMPROVED]}
    assert len(connected.requests) == 2


def test_list_says_if_there_is_none(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document={"items": [], "next": None}))
    outcome = command("models", "list")

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "No models were found.\n")


def test_show_writes_what_has_a_value(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document=IMPROVED))

    assert lines(command("models", "show", "hkm_2").out) == [
        "model hkm_2",
        "kind improved",
        "mlflow churn/3",
        "type classification",
        "tenant acme",
        "metrics accuracy 0.85",
        "baseline hkm_1",
        "delta accuracy 0.85 -> 0.88 (+0.03)",
        "contributors 0xab (25 %)",
        "private yes",
        "attestations 9f, a0",
        "created 2026-11-23T10:05:53Z",
    ]
    assert json.loads(command("models", "show", "hkm_2", "--json").out) == IMPROVED


WITHDRAWN = {**IMPROVED, "withdrawn": {"at": "2026-01-31T00:00:00Z", "reason": "Wrong shares."}}


def test_withdraw_shows_the_withdrawn_record(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document=WITHDRAWN))
    outcome = command("models", "withdraw", "hkm_2", "--reason", "Wrong shares.")

    assert "withdrawn 2026-01-31T00:00:00Z: Wrong shares." in lines(outcome.out)
    (request,) = connected.requests
    assert (request.method, request.path) == ("POST", "/api/models/hkm_2/withdraw")
    assert request.json == {"reason": "Wrong shares."}
    connected.respond_with(Response(document={"items": [WITHDRAWN], "next": None}))
    listed = lines(command("models", "list").out)
    assert listed[1] == "hkm_2 improved (withdrawn) churn/3 classification acme accuracy 0.85"


def test_read_files_has_the_gateway_read_them(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(202, document={"model_id": "hkm_2", "state": "pending"}))
    outcome = command("models", "read-files", "hkm_2")

    assert outcome.out == "The gateway reads the files of hkm_2 (now: pending).\n"
    (request,) = connected.requests
    assert (request.method, request.path) == ("POST", "/api/models/hkm_2/files/read")
    assert json.loads(command("models", "read-files", "hkm_2", "--json").out)["state"] == "pending"


def test_withdraw_needs_a_reason(command: Command, connected: ScriptedServer) -> None:
    outcome = command("models", "withdraw", "hkm_2")

    assert outcome.code == 2
    assert "--reason" in outcome.err
    assert connected.requests == []


def test_lineage_draws_the_tree(command: Command, connected: ScriptedServer) -> None:
    nodes = [
        {"model": MODEL, "baseline_model_id": None, "delta": {}, "contributors": [],
         "attestations": []},
        {"model": IMPROVED, "baseline_model_id": "hkm_1", "delta": DELTA,
         "contributors": [SHARE], "attestations": ["9f"]},
    ]  # fmt: skip
    tree = {"root": "hkm_1", "nodes": nodes, "path": ["hkm_1", "hkm_2"], "complete": True}
    connected.respond_with(Response(document=tree))
    outcome = command("models", "lineage", "hkm_2")

    assert outcome.out.splitlines() == [
        "hkm_1  baseline  churn/3  accuracy 0.85",
        "└── hkm_2  improved  churn/3  accuracy 0.85 -> 0.88 (+0.03)  by 0xab (25 %)  1 attested"
        "  <-- this one",
    ]
    assert outcome.err == ""
    assert json.loads(command("models", "lineage", "hkm_2", "--json").out) == tree


def test_lineage_says_if_the_tree_is_not_complete(
    command: Command, connected: ScriptedServer
) -> None:
    tree = {"root": "hkm_1", "nodes": [], "path": ["hkm_1"], "complete": False}
    connected.respond_with(Response(document=tree))
    outcome = command("models", "lineage", "hkm_1")

    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "The tree has more models than are shown here.\n"
