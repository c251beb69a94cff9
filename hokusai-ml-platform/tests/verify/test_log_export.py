"""Reading a copy of the log, and finding revocations in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hokusai.verify import DocumentError, LogExport
from vector_file import EXPORT, IMPROVEMENT, VECTORS

PAGES = VECTORS["log_pages"]


def export_of(*entries: Any) -> LogExport:
    """An export of entries that are written as JSON, unless they are text."""
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    page = {"entries": [{"index": index, "entry": text} for index, text in enumerate(texts)]}
    return LogExport.read(page)


def test_it_is_read_from_pages_lines_and_documents() -> None:
    lines = "\n".join(json.dumps(page) for page in PAGES)

    assert LogExport.read(PAGES) == EXPORT
    assert LogExport.read(lines) == LogExport.read(lines.encode()) == EXPORT
    assert LogExport.read(json.dumps(PAGES)) == EXPORT
    assert LogExport.read(json.dumps(PAGES, indent=1)) == EXPORT
    assert LogExport.read(json.dumps(PAGES[0])) == LogExport.read(PAGES[0])
    assert len(EXPORT.entries) == 5


def test_no_entry_may_be_missing() -> None:
    with pytest.raises(DocumentError, match="entry 0 is missing"):
        LogExport.read(PAGES[1])
    with pytest.raises(DocumentError, match="entry 2 is missing"):
        LogExport.read([PAGES[0], PAGES[2]])


@pytest.mark.parametrize("export", ["", "[1]", {}, {"entries": [{"index": 0}]}, "x\ny"])
def test_anything_else_is_rejected(export: Any) -> None:
    with pytest.raises(DocumentError):
        LogExport.read(export)


def test_roots_are_those_of_the_checkpoints() -> None:
    roots = EXPORT.roots(1, 5, 6)

    assert set(roots) == {1, 5}
    assert roots[1].hex() == VECTORS["consistency"]["first_root_hash"]
    assert roots[5].hex() == VECTORS["consistency"]["root_hash"]


def test_a_revocation_is_found_by_the_hash() -> None:
    assert EXPORT.revocation(VECTORS["revoked_later"]["hash"]) == (2, "It leaked.")
    assert EXPORT.revocation(IMPROVEMENT["hash"]) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "attested", "attestation": "9f"},
        {"kind": "revoked", "attestation": "other", "note": "9f"},
        {"kind": "revoked", "attestation": "9f"},
        {"kind": 7, "attestation": "9f"},
        {"kind": "benchmark", "subject": "9f", "reason": "of another kind"},
        "9f is not JSON",
        '["9f"]',
    ],
)
def test_an_entry_that_does_not_revoke_it_is_skipped(entry: Any) -> None:
    revocation = {"kind": "revoked", "attestation": "9f", "reason": "It leaked."}

    assert export_of(entry).revocation("9f") is None
    assert export_of(entry, revocation).revocation("9f") == (1, "It leaked.")
