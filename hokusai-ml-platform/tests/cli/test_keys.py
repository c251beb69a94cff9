"""`hokusai keys`: what is sent, and usage that is refused before anything is sent."""

from __future__ import annotations

import pytest

from scripted import Response, ScriptedServer

from .conftest import Command

MADE = {"id": "1f", "name": "n", "state": "active", "scopes": ["read"], "key": "hk_live_new"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "--name", "n", "--scope", "root"),
        ("create", "--name", "n", "--expires-in-days", "0"),
        ("rotate",),
        ("revoke",),
        ("revoke", "1f", "--all"),
        ("revoke", "--all", "--rotation-chain"),
    ],
)
def test_wrong_usage_sends_nothing(
    command: Command, connected: ScriptedServer, arguments: tuple[str, ...]
) -> None:
    assert command("keys", *arguments).code == 2
    assert connected.requests == []


def test_only_what_is_given_is_sent(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(201, MADE))
    outcome = command("keys", "create", "--name", "n")
    assert outcome.code == 0
    assert "hk_live_new" in outcome.out
    (request,) = connected.requests
    assert (request.method, request.path, request.json) == ("POST", "/api/keys", {"name": "n"})


def test_a_key_is_revoked_without_a_body_in_the_response(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(204, text=""))
    outcome = command("keys", "revoke", "a/b", "--rotation-chain")
    assert (outcome.code, outcome.out) == (0, "The key a/b is revoked.\n")
    (request,) = connected.requests
    assert request.method == "DELETE"
    assert request.path == "/api/keys/a%2Fb?rotation_chain=true"


def test_creating_a_key_is_not_repeated_after_a_fault(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(503, {"reason": "unavailable"}))
    assert command("keys", "create", "--name", "n").code == 1
    assert len(connected.requests) == 1


def test_a_key_does_not_end_all_of_a_wallet(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(Response(403, {"reason": "permission_denied", "message": "Sign it."}))
    outcome = command("keys", "revoke", "--all")
    assert outcome.code == 1
    assert "Sign it." in outcome.err
