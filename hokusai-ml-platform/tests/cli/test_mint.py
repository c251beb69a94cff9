"""`hokusai mint-request` and `mint-approvals`: the requests, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripted import Response, ScriptedServer, problem

from .conftest import Command

SIGNED: dict[str, Any] = {
    "attestation": "9f" * 32,
    "model_id": "hkm_1",
    "token_id": "HROUT",
    "chain_model_id": "27",
    "delta_one": 3.0,
    "draft": True,
    "placeholders": ["payload.totalSamples"],
    "typed_data": {},
    "digest": "0xd1",
    "signatures": ["0x51"],
    "signers": ["0xab"],
    "signed_at": "2026-11-28T10:00:00Z",
    "deadline": "2026-11-29T10:00:00Z",
    "warnings": [],
}
APPROVAL: dict[str, Any] = {
    "id": 7,
    "token_id": "HROUT",
    "tenant": "acme",
    "model_id": "hkm_1",
    "contributor": None,
    "created_by": "key:1",
    "created_at": "2026-11-28T10:00:00Z",
    "withdrawn_by": None,
    "withdrawn_at": None,
}


def test_a_mint_request_is_requested_and_shown(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document=SIGNED))
    outcome = command("mint-request", "9f" * 32, "--chain-model-id", "27")

    assert outcome.code == 0, outcome.err
    (request,) = connected.requests
    assert (request.method, request.path) == (
        "POST",
        f"/api/attestations/{'9f' * 32}/mint-request",
    )
    assert request.json == {"chain_model_id": "27"}
    for text in ("HROUT", "27", "0xd1", "payload.totalSamples", "2026-11-29T10:00:00Z"):
        assert text in outcome.out


def test_a_mint_request_is_written_as_json(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document=SIGNED))
    outcome = command("mint-request", "9f", "--json")

    assert json.loads(outcome.out) == SIGNED
    assert connected.requests[0].json == {}


def test_a_missing_approval_is_one_line(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(problem(403, "approval_missing"))
    outcome = command("mint-request", "9f")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "member"), [("--model", "model_id"), ("--contributor", "contributor")]
)
def test_an_approval_is_given(
    command: Command, connected: ScriptedServer, option: str, member: str
) -> None:
    connected.respond_with(Response(201, APPROVAL))
    outcome = command("mint-approvals", "add", "hrout", option, "x")

    assert outcome.code == 0, outcome.err
    assert connected.requests[0].path == "/api/mint-approvals"
    assert connected.requests[0].json == {"token_id": "hrout", member: "x"}
    assert "hkm_1" in outcome.out


@pytest.mark.parametrize("options", [[], ["--model", "a", "--contributor", "b"]])
def test_an_approval_is_of_one_thing(
    command: Command, connected: ScriptedServer, options: list[str]
) -> None:
    assert command("mint-approvals", "add", "hrout", *options).code == 2
    assert connected.requests == []


def test_approvals_are_listed(command: Command, connected: ScriptedServer) -> None:
    page = Response(document={"items": [APPROVAL], "next": None})
    connected.respond_with(page, page)
    shown = command("mint-approvals", "list", "--token", "hrout")
    written = command("mint-approvals", "list", "--all", "--json")

    assert "HROUT" in shown.out
    assert json.loads(written.out) == {"approvals": [APPROVAL]}
    paths = [request.path for request in connected.requests]
    assert paths[0] == "/api/mint-approvals?token=hrout&withdrawn=false&limit=50"
    assert paths[1] == "/api/mint-approvals?limit=50"


def test_no_approvals_are_said_on_standard_error(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(document={"items": [], "next": None}))
    outcome = command("mint-approvals", "list")

    assert (outcome.code, outcome.out) == (0, "")
    assert "No approvals were found." in outcome.err


def test_an_approval_is_withdrawn(command: Command, connected: ScriptedServer) -> None:
    withdrawn = {**APPROVAL, "withdrawn_at": "2026-11-28T11:00:00Z"}
    connected.respond_with(Response(document=withdrawn))
    outcome = command("mint-approvals", "withdraw", "7", "--json")

    assert json.loads(outcome.out) == withdrawn
    assert connected.requests[0].path == "/api/mint-approvals/7/withdraw"
