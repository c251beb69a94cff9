"""The record of what was stated: the canonical text whose SHA-256 is in the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.control_plane.transparency_log.public_text import require_no_secret
from app.core import canonical_json


@dataclass(frozen=True, slots=True)
class Record:
    """A text, and its SHA-256 as 64 hexadecimal digits."""

    text: str
    sha256: str


def make_record(kind: str, statement: Mapping[str, Any]) -> Record:
    """The record of a statement. kind: as its entry in the log has it.

    Raises UnprocessableError for what not every reader understands in the same way, and for a
    secret, which would be public permanently.
    """
    text = canonical_json.canonicalize({"kind": kind, **statement})
    require_no_secret(text)
    return Record(text, canonical_json.digest(text))
