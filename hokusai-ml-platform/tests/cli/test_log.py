"""`hokusai log`: saving parts of the transparency log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripted import Request, Response, ScriptedServer
from vector_file import EXPORT, VECTORS

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
