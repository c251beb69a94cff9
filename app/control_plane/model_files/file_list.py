"""A list of files as it is stored: its text and its digests.

Ten thousand files take a tenth of a second, so threads make and parse their lists.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, Text, cast, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute

from app.control_plane.model_files.hashing import ModelFile, list_digest, oms_root, weights_root
from app.core import json_in_pieces

# Characters of a list that is parsed on the event loop, which takes a millisecond.
SHORT = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileList:
    """Files with what is recorded of all of them. text: as JSON."""

    text: str
    oms_root: str
    weights: str | None
    list_sha256: str
    count: int
    total_bytes: int

    @classmethod
    def of(cls, files: Sequence[ModelFile]) -> Self:
        return cls(
            to_text(file._asdict() for file in files),
            oms_root(files),
            weights_root(files),
            list_digest(files),
            len(files),
            sum(file.size for file in files),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """The values of columns of `ModelFilesRecord`, without the list."""
        names = ("oms_root", "weights", "list_sha256", "count", "total_bytes")
        return {name: getattr(self, name) for name in names}


def to_text(files: Iterable[dict[str, Any]]) -> str:
    """A list as JSON, one file after the other."""
    return f"[{','.join(map(json.dumps, files))}]"


def as_jsonb(text: str) -> ColumnElement[Any]:
    """A JSON text as the value of a column. SQLAlchemy would encode a list on the event loop."""
    return cast(literal(text, Text), JSONB)


def as_text(column: InstrumentedAttribute[list[dict[str, Any]] | None]) -> ColumnElement[str]:
    """A column as a JSON text, for `parse_list`."""
    return cast(column, Text)


async def parse_list(text: str | None) -> list[ModelFile]:
    """The files of a list; none of None."""
    if text is None or len(text) <= SHORT:
        return _parsed(text)
    return await asyncio.to_thread(_parsed, text)


def _parsed(text: str | None) -> list[ModelFile]:
    return [] if text is None else json_in_pieces.loads(text, lambda one: ModelFile(**one))
