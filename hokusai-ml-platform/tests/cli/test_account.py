"""`hokusai login`, `logout`, `whoami` and `limits`."""

from __future__ import annotations

import io
import json
import stat
from typing import Any, Callable

import pytest

from hokusai.cli import trusted_attestors
from hokusai.credentials import credentials_path, stored_credential
from scripted import Request, Response, ScriptedServer, problem
from vector_file import KNOWN

from .conftest import KEY, Command

IDENTITY = {
    "principal": "key:1",
    "tenant": "acme",
    "scopes": ["read"],
    "credential": "key",
    "address": None,
    "rate_limit": 100,
}


def gateway(attestors: Any = KNOWN) -> Callable[[Request], Response]:
    """A gateway that accepts one key, and publishes its attestors."""

    def respond(request: Request) -> Response:
        if request.path == "/.well-known/hokusai-attestor.json":
            assert "Authorization" not in request.headers
            return Response(document=attestors)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return problem(401, "key_invalid")
        return Response(document=IDENTITY)

    return respond


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the text on standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def login(command: Command, server: ScriptedServer, *options: str) -> Any:
    return command("login", "--url", server.url, "--with-key-stdin", *options)


def test_login_stores_a_valid_key_for_its_owner_only(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway())
    enter(f"{KEY}\n")
    outcome = login(command, server)
    assert outcome.code == 0
    assert "as key:1 (tenant acme)" in outcome.out
    path = credentials_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = stored_credential(server.origin)
    assert stored is not None
    assert stored.secret == KEY
    # Later commands use the key, and trust the gateway's attestors.
    assert json.loads(command("whoami", "--url", server.url, "--json").out) == IDENTITY
    assert "key:1" in command("whoami", "--url", server.url).out
    assert trusted_attestors.stored_attestors()[server.origin]["signer"] == KNOWN["signer"]


def test_logout_deletes_the_key(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway())
    enter(KEY)
    login(command, server)
    outcome = command("logout", "--url", server.url)
    assert (outcome.code, stored_credential(server.origin)) == (0, None)
    assert "still accepts" in outcome.out
    assert "No key is stored" in command("logout", "--url", server.url).out


def test_login_says_what_is_used_instead_of_the_stored_key(
    command: Command,
    server: ScriptedServer,
    enter: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.respond_with(gateway())
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_another")
    enter(KEY)
    outcome = login(command, server)
    assert "As long as HOKUSAI_API_KEY is set" in outcome.out
    assert "another" not in outcome.out


def test_login_does_not_store_a_key_that_the_gateway_refuses(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway())
    enter("hk_live_wrong")
    outcome = login(command, server)
    assert outcome.code == 1
    assert outcome.err == "hokusai: It was key_invalid. (401 key_invalid, request r-1)\n"
    assert "hk_live_wrong" not in outcome.out + outcome.err
    assert not credentials_path().exists()


@pytest.mark.parametrize("text", ["", "\n", "k" * 5000, "0x" + "ab" * 32, "two words", "n\u00f6"])
def test_login_rejects_a_text_that_is_not_a_key(
    command: Command, server: ScriptedServer, enter: Callable[[str], None], text: str
) -> None:
    enter(text)
    outcome = login(command, server)
    assert outcome.code == 2
    assert server.requests == []
    assert text.strip() == "" or text not in outcome.err


def test_login_prompts_at_a_terminal_only(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    enter(KEY)
    outcome = command("login", "--url", server.url)
    assert (outcome.code, server.requests) == (2, [])
    assert "--with-key-stdin" in outcome.err


def test_login_prompts_without_showing_the_key(
    command: Command, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.respond_with(gateway())

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    prompts = []

    def read_hidden(prompt: str, *_: Any, **__: Any) -> str:
        prompts.append(prompt)
        return f" {KEY}\n"

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.termui.hidden_prompt_func", read_hidden)
    outcome = command("login", "--url", server.url)
    assert outcome.code == 0, outcome.err
    assert len(prompts) == 1


def test_login_replaces_stored_attestors_only_if_asked_to(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway())
    enter(KEY)
    login(command, server)
    other = "0x" + "11" * 20
    server.respond_with(gateway({**KNOWN, "signer": other, "signers": [other]}))
    enter(KEY)
    outcome = login(command, server)
    assert outcome.code == 0
    assert (
        f"first logged in: its attestor (now {other}), its attestors (now {other})." in outcome.out
    )
    assert trusted_attestors.stored_attestors()[server.origin]["signer"] == KNOWN["signer"]
    enter(KEY)
    login(command, server, "--replace-attestors")
    assert trusted_attestors.stored_attestors()[server.origin]["signer"] == other


def test_login_works_at_a_gateway_without_attestors(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway({"signer": 7}))
    enter(KEY)
    outcome = login(command, server)
    assert outcome.code == 0
    assert "could not be stored" in outcome.out
    assert trusted_attestors.stored_attestors() == {}


def test_limits(command: Command, connected: ScriptedServer) -> None:
    limit = {"limit": 100, "remaining": 98, "reset": 40, "window": 60}
    connected.respond_with(Response(document=limit))
    assert command("limits").out == "98 of 100 requests are left for the next 40 seconds.\n"
    assert json.loads(command("limits", "--json").out)["remaining"] == 98


def test_a_file_of_keys_that_other_users_can_read_is_rejected(
    command: Command, server: ScriptedServer
) -> None:
    path = credentials_path()
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.chmod(0o644)
    outcome = command("whoami", "--url", server.url)
    assert outcome.code == 2
    assert "chmod 600" in outcome.err


def test_login_remembers_the_gateway(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway())
    assert "no gateway URL" in command("whoami").err
    enter(KEY)
    assert f"{server.url} is used from now on" in login(command, server).out
    assert command("whoami").code == 0
    assert command("logout").code == 0
    assert "no gateway URL" in command("whoami").err


def test_another_name_of_the_same_machine_is_pointed_out(
    command: Command, server: ScriptedServer, enter: Callable[[str], None]
) -> None:
    server.respond_with(gateway())
    enter(KEY)
    assert login(command, server).code == 0
    outcome = command("whoami", "--url", server.url.replace("127.0.0.1", "localhost"))
    assert outcome.code == 2
    assert f"A key is stored for {server.origin}" in outcome.err


def test_without_a_home_a_key_in_the_environment_works(
    command: Command, connected: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("none")))
    connected.respond_with(gateway())
    assert command("whoami").code == 0
    monkeypatch.delenv("HOKUSAI_API_KEY")
    written = command("whoami").err
    assert "There is no credential" in written
    assert "pickled" not in written
