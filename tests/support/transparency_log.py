"""The transparency log of attestations, fetched and verified without trust in the gateway."""

from typing import Any

import httpx
from hokusai.verify import LogExport

from app.control_plane.transparency_log.checkpoint import Checkpoint, CheckpointVerifier
from tests.support.responses import good

# Asks for the signed note alone, where the default is JSON with the note in it.
NOTE = {"Accept": "text/plain"}


def verified_log(client: httpx.Client, *earlier: Checkpoint) -> tuple[Checkpoint, list[str]]:
    """The newest checkpoint, and the entries that it signs.

    earlier: checkpoints of the same log; each must be the root of as many first entries.
    """
    keys = good(client.get("/.well-known/hokusai-attestor.json"))
    note = client.get("/api/attestations/log", headers=NOTE)
    assert note.status_code == 200, note.text
    checkpoint = CheckpointVerifier.parse(keys["log"]["key"]).open(note.text)
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
