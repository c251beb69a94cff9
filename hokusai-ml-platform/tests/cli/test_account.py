"""Signing in and out, against a stand-in for a gateway."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from hokusai.cli import trusted_attestors
from hokusai.credentials import credentials_path, stored_credential
from scripted import Answer, Request, ScriptedServer, problem
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


def gateway(known: Any = KNOWN) -> Any:
    """Answers as a gateway that knows one key."""

    def answer(request: Request) -> Answer:
        if request.path == "/.well-known/hokusai-attestor.json":
            assert "Authorization" not in request.headers
            return Answer(document=known)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return problem(401, "key_invalid")
        return Answer(document=IDENTITY)

    return answer


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    def given(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return given


def test_login_stores_a_good_key_for_its_owner_only(
    command: Command, server: ScriptedServer, typed: Any
) -> None:
    server.answers(gateway())
    typed(f"{KEY}\n")
    done = command("login", "--url", server.url, "--with-key-stdin")
    assert done.code == 0
    assert "as key:1 (tenant acme)" in done.out
    path = credentials_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = stored_credential(server.origin)
    assert found is not None
    assert found.secret == KEY
    # From now on it is found, and the gateway's attestor is known.
    assert json.loads(command("whoami", "--url", server.url, "--json").out) == IDENTITY
    assert trusted_attestors.stored_attestors()[server.origin]["signer"] == KNOWN["signer"]
    done = command("logout", "--url", server.url)
    assert (done.code, stored_credential(server.origin)) == (0, None)
    assert "still accepts" in done.out


def test_login_says_what_goes_before_the_stored_key(
    command: Command, server: ScriptedServer, typed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(gateway())
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_another")
    typed(KEY)
    done = command("login", "--url", server.url, "--with-key-stdin")
    assert "As long as HOKUSAI_API_KEY is set" in done.out
    assert "another" not in done.out


def test_login_stores_no_bad_key(command: Command, server: ScriptedServer, typed: Any) -> None:
    server.answers(gateway())
    typed("hk_live_wrong")
    done = command("login", "--url", server.url, "--with-key-stdin")
    assert done.code == 1
    assert done.err == "hokusai: It was key_invalid. (401 key_invalid, request r-1)\n"
    assert "hk_live_wrong" not in done.out + done.err
    assert not credentials_path().exists()


@pytest.mark.parametrize("text", ["", "\n", "k" * 5000, "0x" + "ab" * 32, "two words", "n\u00f6"])
def test_login_refuses_what_is_no_key(
    command: Command, server: ScriptedServer, typed: Any, text: str
) -> None:
    typed(text)
    done = command("login", "--url", server.url, "--with-key-stdin")
    assert done.code == 2
    assert server.requests == []
    assert text.strip() == "" or text not in done.err


def test_login_asks_at_a_terminal_only(
    command: Command, server: ScriptedServer, typed: Any
) -> None:
    typed(KEY)
    done = command("login", "--url", server.url)
    assert (done.code, server.requests) == (2, [])
    assert "--with-key-stdin" in done.err


def test_login_asks_without_echo(
    command: Command, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(gateway())

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = []

    def hidden(prompt: str, *_: Any, **__: Any) -> str:
        asked.append(prompt)
        return KEY

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.termui.hidden_prompt_func", hidden)
    done = command("login", "--url", server.url)
    assert done.code == 0, done.err
    assert len(asked) == 1


def test_other_attestors_are_not_taken_silently(
    command: Command, server: ScriptedServer, typed: Any
) -> None:
    server.answers(gateway())
    typed(KEY)
    command("login", "--url", server.url, "--with-key-stdin")
    other = "0x" + "11" * 20
    server.answers(gateway({**KNOWN, "signer": other, "signers": [other]}))
    typed(KEY)
    done = command("login", "--url", server.url, "--with-key-stdin")
    assert done.code == 0
    assert "has other attestors now" in done.out
    assert trusted_attestors.stored_attestors()[server.origin]["signer"] == KNOWN["signer"]
    typed(KEY)
    command("login", "--url", server.url, "--with-key-stdin", "--replace-attestors")
    assert trusted_attestors.stored_attestors()[server.origin]["signer"] == other


def test_a_gateway_without_an_attestor_can_be_signed_in_to(
    command: Command, server: ScriptedServer, typed: Any
) -> None:
    server.answers(gateway({"signer": 7}))
    typed(KEY)
    done = command("login", "--url", server.url, "--with-key-stdin")
    assert done.code == 0
    assert "could not be stored" in done.out
    assert trusted_attestors.stored_attestors() == {}


def test_limits(command: Command, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOKUSAI_API_KEY", KEY)
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    server.answers(Answer(document={"limit": 100, "remaining": 98, "reset": 40, "window": 60}))
    assert command("limits").out == "98 of 100 requests are left for the next 40 seconds.\n"
    assert json.loads(command("limits", "--json").out)["remaining"] == 98


def test_a_file_that_others_can_read_is_refused(
    command: Command, server: ScriptedServer, tmp_path: Path
) -> None:
    path = credentials_path()
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.chmod(0o644)
    done = command("whoami", "--url", server.url)
    assert done.code == 2
    assert "chmod 600" in done.err
