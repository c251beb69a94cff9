"""The log in tiles (C2SP tlog-tiles): files of 256 hashes or entries that mirrors can keep.

Tile `n` of level `l` has the nodes (8 l, 256 n) to (8 l, 256 n + 255); see `merkle`.
"""

import re
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.transparency_log import service
from app.control_plane.transparency_log.models import LogNode
from app.core.errors import InvalidParameterError, NotFoundError

# Hashes or entries of a full tile, of which each stands for as many of the tile below.
WIDTH = 256
LEVELS = 8
# The name of the tiles that have entries, in place of a level.
ENTRIES = "entries"

# Five groups of digits are more tiles than any log has, and fit PostgreSQL's integers.
_NAME = re.compile(
    r"(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TileName:
    """One tile. level: None for entries. width: how many of the tile's hashes or entries."""

    level: int | None
    number: int
    width: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The tile with a name such as `0/x001/x234/067.p/112` or `entries/000`.

        Raises InvalidParameterError for any other text.
        """
        match = _NAME.fullmatch(text)
        if match is None or match[2].startswith("x000") or int(match[3] or 1) >= WIDTH:
            raise InvalidParameterError(
                "This is not the name of a tile, which is a level from 0 to 63 or `entries`, then "
                "its number in groups of three digits (x001/x234/067), then `.p/` and a width from "
                "1 to 255 for one that is not full."
            )
        return cls(
            level=None if match[1] == ENTRIES else int(match[1]),
            number=int(re.sub(r"[x/]", "", match[2])),
            width=int(match[3] or WIDTH),
        )


async def read(session: AsyncSession, tile: TileName) -> bytes:
    """The bytes of a tile. Raises NotFoundError where the log is too short for it."""
    start = tile.number * WIDTH
    if tile.level is None:
        parts = [
            len(entry.text.encode()).to_bytes(2, "big") + entry.text.encode()
            for entry in await service.entries(session, start, tile.width)
        ]
    else:
        query = (
            select(LogNode.hash)
            .where(
                LogNode.level == tile.level * LEVELS,
                LogNode.index >= start,
                LogNode.index < start + tile.width,
            )
            .order_by(LogNode.index)
        )
        parts = list((await session.scalars(query)).all())
    if len(parts) < tile.width:
        raise NotFoundError(
            f"The log has {len(parts)} of the {tile.width} hashes or entries of this tile. Tiles "
            "that are not full have names that end with `.p/` and a width."
        )
    return b"".join(parts)
