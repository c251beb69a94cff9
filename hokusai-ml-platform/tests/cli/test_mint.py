"""`hokusai mint`, `mint-request` and `mint-approvals`: the requests, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from hokusai.cli.mint import with_domain_type
from scripted import Response, ScriptedServer, problem

from .conftest import Command

TYPED_DATA: dict[str, Any] = {
    "domain": {"name": "D", "version": "1", "chainId": 1, "verifyingContract": "0x" + "12" * 20},
    "types": {"MintRequest": [{"name": "modelId", "type": "uint256"}]},
    "primaryType": "MintRequest",
    "message": {"modelId": "27"},
}
WALLET = "5e" * 32
SIGNATURE = "0x" + "1f" * 64 + "1b"


def signature_here() -> tuple[str, str]:
    """The digest of the typed data, and the wallet's signature of it."""
    signed = Account.from_key(WALLET).sign_message(
        encode_typed_data(full_message=with_domain_type(TYPED_DATA))
    )
    return f"0x{bytes(signed.message_hash).hex()}", f"0x{bytes(signed.signature).hex()}"


SIGNED: dict[str, Any] = {
    "id": 9,
    "attestation": "9f" * 32,
    "model_id": "hkm_1",
    "tenant": "acme",
    "token_id": "HROUT",
    "chain_model_id": "27",
    "metric": "accuracy",
    "delta_one": 3.0,
    "typed_data": TYPED_DATA,
    "digest": signature_here()[0],
    "signatures": ["0x51"],
    "signers": ["0xab"],
    "required": 2,
    "missing": 1,
    "complete": False,
    "attestors": [
        {"address": "0xab", "signed": True, "counts": True},
        {"address": "0xac", "signed": False, "counts": True},
        {"address": "0xad", "signed": True, "counts": False},
        {"address": "0xae", "signed": False, "counts": False},
    ],
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
    outcome = command("mint-request", "9f" * 32, "--chain-model-id", "27", "--cost", "5")

    assert outcome.code == 0, outcome.err
    (request,) = connected.requests
    assert (request.method, request.path) == (
        "POST",
        f"/api/attestations/{'9f' * 32}/mint-request",
    )
    assert request.json == {"chain_model_id": "27", "actual_cost_usd_micro": 5}
    for text in ("HROUT", "27", SIGNED["digest"], "1 of 2", "2026-11-29T10:00:00Z"):
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


def test_mint_requests_are_listed_and_shown(command: Command, connected: ScriptedServer) -> None:
    page = Response(document={"items": [SIGNED], "next": None})
    connected.respond_with(page, page, Response(document=SIGNED))
    shown = command("mint", "list", "--token", "hrout")
    written = command("mint", "list", "--json")
    one = command("mint", "show", "9")

    assert "1 of 2" in shown.out
    assert json.loads(written.out) == {"mint_requests": [SIGNED]}
    assert SIGNED["digest"] in one.out
    assert [line.split()[-1] for line in one.out.splitlines() if "0xa" in line] == [
        *("0xab", "0xac", "0xad")
    ]
    assert [request.path for request in connected.requests] == [
        "/api/mint-requests?token=hrout&limit=50",
        "/api/mint-requests?limit=50",
        "/api/mint-requests/9",
    ]


def test_how_many_signatures_are_needed_may_not_be_known(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(document={**SIGNED, "required": None, "missing": None}))

    assert "1 of an unknown number" in command("mint", "show", "9").out


def test_typed_data_has_the_type_of_its_domain(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document=SIGNED))
    written = json.loads(command("mint", "typed-data", "9").out)

    assert written["message"] == TYPED_DATA["message"]
    assert written["types"]["EIP712Domain"][3] == {"name": "verifyingContract", "type": "address"}


def test_a_signature_from_elsewhere_is_added(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(document={**SIGNED, "complete": True}))
    outcome = command("mint", "sign", "9", "--signature", SIGNATURE)

    assert outcome.code == 0, outcome.err
    (request,) = connected.requests
    assert (request.method, request.path) == ("POST", "/api/mint-requests/9/signatures")
    assert request.json == {"signature": SIGNATURE}


def test_a_wallet_signs_here(
    command: Command, connected: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_PRIVATE_KEY", WALLET)
    connected.respond_with(Response(document=SIGNED), Response(document=SIGNED))

    assert command("mint", "sign", "9").code == 0
    assert connected.requests[-1].json == {"signature": signature_here()[1]}


def test_nothing_is_signed_whose_digest_is_another(
    command: Command, connected: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_PRIVATE_KEY", WALLET)
    connected.respond_with(Response(document={**SIGNED, "digest": "0x" + "00" * 32}))

    assert command("mint", "sign", "9").code == 2
    assert len(connected.requests) == 1


@pytest.mark.parametrize("key", ["", "not a key"])
def test_without_a_wallet_there_is_no_signature(
    command: Command, connected: ScriptedServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("HOKUSAI_PRIVATE_KEY", key)
    connected.respond_with(Response(document=SIGNED))

    outcome = command("mint", "sign", "9")
    assert outcome.code == 2
    assert "HOKUSAI_PRIVATE_KEY" in outcome.err


def test_the_message_of_the_platform_is_written(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(document={"message_type": "mint_request"}))

    assert json.loads(command("mint", "message", "9").out) == {"message_type": "mint_request"}
    assert connected.requests[0].path == "/api/mint-requests/9/message"


def test_an_incomplete_mint_request_has_no_message(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(problem(409, "mint_request_incomplete"))

    assert command("mint", "message", "9").code == 1


def test_the_group_has_the_other_commands_too(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(
        Response(document=SIGNED), Response(document={"items": [APPROVAL], "next": None})
    )
    assert command("mint", "request", "9f").code == 0
    assert command("mint", "approvals", "list").code == 0
