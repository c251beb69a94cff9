"""A copy of the log: the responses of `GET /api/attestations/log/entries`, page after page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from hokusai.errors import DocumentError
from hokusai.verify import json_fields, merkle
from hokusai.verify.strict_json import checked_copy, parse

# Enough for a million entries, each of about 250 bytes, and about twice that in a page.
MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class LogExport:
    """The entries of the log from the first on.

    Attributes:
        entries: The texts of the entries, in their order.
    """

    entries: tuple[str, ...]

    @classmethod
    def read(cls, export: str | bytes | Mapping[str, Any] | list[Any]) -> LogExport:
        """Read an export.

        Args:
            export: One page, a list of pages, or text: JSON of either, or one page per line.

        Raises:
            DocumentError: This is none of these, or an entry from index 0 on is missing.
        """
        if isinstance(export, (str, bytes)):
            pages = _parse_pages(export)
        elif isinstance(export, list):
            pages = [checked_copy(page) for page in export]
        else:
            pages = [checked_copy(export)]
        entries: list[str] = []
        try:
            for page in pages:
                for entry in json_fields.list_at(page, "entries"):
                    entries.append(_entry_text(entry, len(entries)))
        except json_fields.CheckFailed as reason:
            raise DocumentError(f"This is not an export of the log: {reason}.") from None
        return cls(tuple(entries))

    def roots(self, *sizes: int) -> dict[int, bytes]:
        """Return the root hash of the log at these sizes, leaving out sizes beyond the export."""
        return merkle.roots((merkle.leaf_hash(text.encode()) for text in self.entries), sizes)

    def revocation(self, digest: str) -> tuple[int, str] | None:
        """Find the entry that revokes an attestation.

        Args:
            digest: The attestation's hash.

        Returns:
            The index of the entry and its reason, or None if there is no such entry.
        """
        for index, text in enumerate(self.entries):
            # Parsing is slow, so only entries that contain the hash are parsed.
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


def _entry_text(entry: Any, index: int) -> str:
    if json_fields.integer_at(entry, "index") != index:
        raise json_fields.CheckFailed(f"entry {index} is missing")
    return json_fields.text_at(entry, "entry")


def _parse_pages(text: str | bytes) -> list[Any]:
    content = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    # Texts have further ends of lines, which are no others of JSON.
    lines = [line for line in content.splitlines() if line.strip(b" \t")]
    if len(lines) > 1:
        try:
            return [parse(line) for line in lines]
        except DocumentError:
            # One JSON document that is written over several lines.
            pass
    document = parse(content, MAX_BYTES)
    return document if isinstance(document, list) else [document]
