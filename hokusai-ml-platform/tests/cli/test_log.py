"""`hokusai log`: saving parts of the transparency log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hokusai.witness.signing import WitnessSigner
from scripted import Request, Response, ScriptedServer
from vector_file import EXPORT, LOG_KEY, VECTORS

from .conftest import Command

PAGES = {
    f"/api/attestations/log/entries?start={start}&limit=1000": {**page, "next": following}
    for page, start, following in zip(VECTORS["log_pages"], (0, 2, 4), (2, 4, None))
}


@pytest.fixture
def log(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A gateway with a log, and no credential."""
    documents = {
        "/api/attestations/log": {"checkpoint": VECTORS["checkpoint"]},
        "/api/attestations/log/proof?first=1&second=5": VECTORS["consistency"],
        **PAGES,
    }

    def respond(request: Request) -> Response:
        assert "Authorization" not in request.headers
        return Response(document=documents[request.path])

    server.respond_with(respond)
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    return server


def test_checkpoint_writes_the_signed_note(
    command: Command, log: ScriptedServer, tmp_path: Path
) -> None:
    assert command("log", "checkpoint").out == VECTORS["checkpoint"]
    file = tmp_path / "checkpoint.txt"
    assert command("log", "checkpoint", "-o", str(file)).code == 0
    assert file.read_text(encoding="utf-8") == VECTORS["checkpoint"]


def test_consistency_writes_the_proof(command: Command, log: ScriptedServer) -> None:
    assert json.loads(command("log", "consistency", "1", "5").out) == VECTORS["consistency"]


def test_export_writes_each_page_as_a_line(command: Command, log: ScriptedServer) -> None:
    out = command("log", "export").out

    assert [json.loads(line) for line in out.splitlines()] == list(PAGES.values())
    assert EXPORT.read(out) == EXPORT


@pytest.mark.parametrize(("entries", "following"), [([], 0), ([{}], 0), ([{}], 2), ([{}], "1")])
def test_an_export_ends_where_pages_do_not_follow_each_other(
    command: Command,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    entries: list[object],
    following: object,
) -> None:
    page = {"entries": entries, "next": following}
    server.respond_with(lambda _: Response(document=page))
    monkeypatch.setenv("HOKUSAI_URL", server.url)

    result = command("log", "export")
    assert result.code != 0
    assert f"begins at {following}, but it ends at {len(entries)}." in result.err


def test_checkpoint_requires_the_log_and_its_witnesses(
    command: Command, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    note: str = VECTORS["checkpoint"]
    one, two = (WitnessSigner(f"w{number}.example", bytes([number]) * 32) for number in (1, 2))
    cosigned = note + one.cosign(note.rpartition("\n\n")[0] + "\n", 1_800_000_000)
    state = {"checkpoint": note, "cosigned": cosigned}
    server.respond_with(lambda _: Response(document=state))
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    trusted = ("--log-key", LOG_KEY, "--witness", one.key)

    assert command("log", "checkpoint", "--log-key", LOG_KEY).out == note
    assert command("log", "checkpoint", *trusted).out == cosigned
    both = command("log", "checkpoint", *trusted, "--witness", two.key)
    assert both.code != 0
    assert "cosigned by 1 of your witnesses, and 2 are required" in both.err
    enough = command("log", "checkpoint", *trusted, "--witness", two.key, "--quorum", "1")
    assert enough.out == cosigned
    state["cosigned"] = note
    assert command("log", "checkpoint", *trusted).code != 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--name", "a b", "--log-key", LOG_KEY), "no spaces"),
        (("--name", "w.example", "--log-key", "x"), "log key"),
        (("--name", "w.example", "--log-key", LOG_KEY, "--host", "192.0.2.1"), "cannot start"),
    ],
)
def test_a_witness_that_cannot_run_says_why(
    command: Command, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = command("log", "witness", *options, "--directory", str(tmp_path / "witness"))

    assert done.code != 0
    assert words in done.err
