"""What the witnesses of the log have cosigned, as it is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.transparency_log.cosignature import WitnessKey
from app.control_plane.transparency_log.models import LogWitness


@dataclass(frozen=True, slots=True)
class WitnessState:
    """A witness, with the size of the log that it has cosigned last, and when; None if never."""

    name: str
    key: str
    size: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CosignedTree:
    """The largest tree that is cosigned. lines: the cosignatures. at: of the newest of them."""

    size: int
    root: bytes
    lines: str
    at: datetime


class Cosignatures:
    """Reads the cosignatures of the witnesses that the settings name."""

    def __init__(self, keys: Sequence[WitnessKey]) -> None:
        self.keys = keys

    async def states(self, session: AsyncSession) -> list[WitnessState]:
        """All witnesses, in the order of the settings."""
        rows = await self._rows(session)
        states = []
        for key in self.keys:
            row = rows.get(str(key))
            size, at = (0, None) if row is None else (row.size, row.at)
            states.append(WitnessState(key.name, str(key), size, at))
        return states

    async def newest(self, session: AsyncSession) -> CosignedTree | None:
        """The largest tree that a witness has cosigned, with the cosignatures of all that have."""
        rows = [row for row in (await self._rows(session)).values() if row.line is not None]
        if not rows:
            return None
        largest = max(rows, key=lambda row: row.size)
        same = [row for row in rows if (row.size, row.root) == (largest.size, largest.root)]
        lines = "".join(f"{row.line}\n" for row in sorted(same, key=lambda row: row.witness))
        assert largest.root is not None
        at = max(row.at for row in same if row.at is not None)
        return CosignedTree(largest.size, largest.root, lines, at)

    async def _rows(self, session: AsyncSession) -> dict[str, LogWitness]:
        if not self.keys:
            return {}
        query = select(LogWitness).where(LogWitness.witness.in_([str(key) for key in self.keys]))
        return {row.witness: row for row in await session.scalars(query)}
