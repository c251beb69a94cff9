"""The log of attestations, read and checked as somebody would who trusts nobody."""

from typing import Any

import httpx
from hokusai.verify import LogExport

from app.control_plane.attestations.checkpoint import Checkpoint, CheckpointVerifier
from tests.support.answers import good


def verified_log(client: httpx.Client, *earlier: Checkpoint) -> tuple[Checkpoint, list[str]]:
    """The newest checkpoint and all entries, which are found to be what it signs.

    earlier: checkpoints of the same log; each has to be the root of as many first entries.
    """
    known = good(client.get("/.well-known/hokusai-attestor.json"))
    note = good_text(client.get("/api/attestations/log"))
    checkpoint = CheckpointVerifier.parse(known["log"]["key"]).open(note)
    pages: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        page = good(client.get("/api/attestations/log/entries", params={"start": start}))
        pages.append(page)
        start = page["next"]
    export = LogExport.read(pages)
    assert len(export.entries) >= checkpoint.size
    for one in (*earlier, checkpoint):
        assert export.roots(one.size)[one.size] == one.root
    return checkpoint, list(export.entries[: checkpoint.size])


def good_text(answer: httpx.Response) -> str:
    """The text of an answer that has to be good."""
    assert answer.status_code == 200, answer.text
    return answer.text
