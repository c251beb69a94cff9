"""Storing a gateway's attestors at the first login."""

from __future__ import annotations

import stat

import pytest

from hokusai.cli.trusted_attestors import (
    attestors_path,
    fetch_attestors,
    store_attestors,
    stored_attestors,
)
from hokusai.client import GatewayClient
from hokusai.credentials import credentials_path
from hokusai.errors import ConfigurationError
from scripted import Response, ScriptedServer, problem
from vector_file import KNOWN

OTHER = {**KNOWN, "signer": "0x" + "11" * 20, "signers": ["0x" + "11" * 20]}


def test_the_document_is_fetched_from_the_root_without_a_credential(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(Response(document=KNOWN))

    assert fetch_attestors(client) == KNOWN
    (request,) = server.requests
    assert request.path == "/.well-known/hokusai-attestor.json"
    assert "Authorization" not in request.headers


def test_the_members_that_verifying_needs_are_stored_by_origin(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(Response(document=KNOWN))
    assert stored_attestors() == {}
    message = store_attestors(client)

    assert KNOWN["signer"] in message
    stored = {name: KNOWN[name] for name in ("signer", "signers", "log")}
    assert stored_attestors() == {server.origin: stored}
    assert attestors_path() == credentials_path().with_name("attestors.json")
    assert stat.S_IMODE(attestors_path().stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({}, {"circuits": ["9f" * 32]}, f"its circuits of proofs (now {'9f' * 32})"),
        ({"circuits": ["9f" * 32]}, {"circuits": []}, "its circuits of proofs (now none)"),
        ({}, {"log": {**KNOWN["log"], "keys": [KNOWN["log"]["key"]] * 2}}, "its log"),
    ],
)
def test_what_changed_is_named(
    client: GatewayClient,
    server: ScriptedServer,
    before: dict[str, object],
    now: dict[str, object],
    words: str,
) -> None:
    server.respond_with(Response(document={**KNOWN, **before}))
    store_attestors(client)
    server.respond_with(Response(document={**KNOWN, **now}))

    said = store_attestors(client)
    assert f"since you first logged in: {words}. Only what was stored" in said


def test_a_gateway_that_still_has_no_circuits_has_not_changed(
    client: GatewayClient, server: ScriptedServer
) -> None:
    for document in (KNOWN, {**KNOWN, "circuits": []}):
        server.respond_with(Response(document=document))
        assert "trusts its attestor" in store_attestors(client)


def test_stored_attestors_are_replaced_only_if_asked_to(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(Response(document=KNOWN))
    store_attestors(client)
    # The same ones again are not a change.
    assert "trusts its attestor" in store_attestors(client)
    server.respond_with(Response(document=OTHER))

    said = store_attestors(client)
    assert "--replace-attestors" in said
    assert f"attestors (now {OTHER['signers'][0]})" in said
    assert "circuits" not in said
    assert stored_attestors()[server.origin]["signer"] == KNOWN["signer"]
    assert OTHER["signer"] in store_attestors(client, replace=True)
    assert stored_attestors()[server.origin]["signer"] == OTHER["signer"]


@pytest.mark.parametrize("response", [Response(document={"signer": 7}), problem(404, "not_found")])
def test_a_gateway_without_valid_attestors_is_reported(
    client: GatewayClient, server: ScriptedServer, response: Response
) -> None:
    server.respond_with(response)

    assert "could not be stored" in store_attestors(client)
    assert stored_attestors() == {}


@pytest.mark.parametrize("content", ["", "[]", '{"https://a:443": 7}', "{"])
def test_a_file_that_is_not_valid_is_an_error(content: str) -> None:
    attestors_path().parent.mkdir(parents=True)
    attestors_path().write_text(content)

    with pytest.raises(ConfigurationError, match=r"attestors\.json"):
        stored_attestors()


def test_a_file_that_cannot_be_written_is_an_error(
    client: GatewayClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    server.respond_with(Response(document=KNOWN))
    monkeypatch.setattr("hokusai.cli.trusted_attestors.write_private_json", fail)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
        store_attestors(client)
