"""A copy of the log: what `GET /api/attestations/log/entries` answered, page after page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from hokusai.errors import DocumentError
from hokusai.verify import json_fields, merkle
from hokusai.verify.strict_json import checked_copy, parse

# A million entries; each has some 250 bytes, and twice that in a page.
MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class LogExport:
    """The log's entries from the first on, as texts in their order."""

    entries: tuple[str, ...]

    @classmethod
    def read(cls, export: str | bytes | Mapping[str, Any] | list[Any]) -> LogExport:
        """From one page, a list of pages, or pages as lines of JSON.

        Raises DocumentError for anything else, and for entries that do not go on from each other
        from index 0 on.
        """
        if isinstance(export, (str, bytes)):
            pages = _pages_of(export)
        elif isinstance(export, list):
            pages = [checked_copy(page) for page in export]
        else:
            pages = [checked_copy(export)]
        entries: list[str] = []
        try:
            for page in pages:
                for entry in json_fields.list_at(page, "entries"):
                    entries.append(_entry_at(entry, len(entries)))
        except json_fields.CheckFailed as reason:
            raise DocumentError(f"This is not an export of the log: {reason}.") from None
        return cls(tuple(entries))

    def roots(self, *sizes: int) -> dict[int, bytes]:
        """The tree hashes at these sizes, as far as the export has so many entries."""
        return merkle.roots((merkle.leaf_hash(text.encode()) for text in self.entries), sizes)

    def revocation(self, digest: str) -> tuple[int, str] | None:
        """The index of the entry that revokes an attestation, and its reason."""
        for index, text in enumerate(self.entries):
            # Nothing but the entries about this attestation has to be parsed.
            if digest not in text:
                continue
            try:
                entry = parse(text)
                if (
                    json_fields.text_at(entry, "kind") == "revoked"
                    and json_fields.text_at(entry, "attestation") == digest
                ):
                    return index, json_fields.text_at(entry, "reason")
            except (DocumentError, json_fields.CheckFailed):
                continue
        return None


def _entry_at(entry: Any, index: int) -> str:
    if json_fields.integer_at(entry, "index") != index:
        raise json_fields.CheckFailed(f"entry {index} is not where it has to be")
    return json_fields.text_at(entry, "entry")


def _pages_of(text: str | bytes) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        try:
            return [parse(line) for line in lines]
        except DocumentError:
            # One document, written over several lines.
            pass
    found = parse(text, MAX_BYTES)
    return found if isinstance(found, list) else [found]
