"""The append-only log in the database: RFC 6962's tree over its entries.

An entry's index is its place in the tree. Appends wait for each other until they commit, so there
are no gaps, and whoever reads a size finds every node of a tree of that size.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations import canonical_json, merkle
from app.control_plane.attestations.merkle import Node
from app.control_plane.attestations.models import LogEntry, LogNode
from app.core.errors import InvalidParameterError
from app.database.engine import now

# Any number does, as long as all of our processes take the same.
APPEND_LOCK = 7_083_621_549

ATTESTED = "attested"
REVOKED = "revoked"


async def lock(session: AsyncSession) -> int:
    """Keep other appends out until the transaction ends: the index of the next entry."""
    await session.execute(select(func.pg_advisory_xact_lock(APPEND_LOCK)))
    return await size(session)


async def size(session: AsyncSession) -> int:
    """How many entries the log has."""
    last = await session.scalar(select(func.max(LogEntry.index)))
    return 0 if last is None else last + 1


async def append(
    session: AsyncSession, index: int, kind: str, attestation: str, **said: object
) -> LogEntry:
    """Add an entry at the index that `lock` gave.

    The entry's text is canonical JSON of `kind`, `attestation`, `at` and what else is said.
    """
    at = now()
    text = canonical_json.canonical(
        {"kind": kind, "attestation": attestation, "at": at.isoformat(), **said}
    )
    entry = LogEntry(index=index, kind=kind, attestation=attestation, text=text, at=at)
    session.add(entry)
    await session.flush()
    found = merkle.leaf_hash(text.encode())
    session.add(LogNode(level=0, index=index, hash=found))
    inner = merkle.completed_by(index)
    siblings = await _hashes(session, [(level - 1, 2 * place) for level, place in inner])
    for level, place in inner:
        found = merkle.node_hash(siblings[level - 1, 2 * place], found)
        session.add(LogNode(level=level, index=place, hash=found))
    await session.flush()
    return entry


async def root(session: AsyncSession, tree_size: int) -> bytes:
    """The Merkle tree hash of the first `tree_size` entries, 32 bytes."""
    span = (0, tree_size)
    return merkle.hash_of(span, await _hashes(session, merkle.nodes_of(span)))


async def inclusion(session: AsyncSession, index: int, tree_size: int) -> list[bytes]:
    """The proof that entry `index` is in the tree of `tree_size`.

    Raises InvalidParameterError where there is no such tree, or no such entry in it.
    """
    await _require(session, tree_size)
    return await _proof(session, lambda: merkle.inclusion_path(index, tree_size))


async def consistency(session: AsyncSession, first: int, second: int) -> list[bytes]:
    """The proof that the tree of `second` entries begins with that of `first`.

    Raises InvalidParameterError where there are no such trees.
    """
    await _require(session, second)
    return await _proof(session, lambda: merkle.consistency_path(first, second))


async def entries(session: AsyncSession, start: int, limit: int) -> Sequence[LogEntry]:
    """At most `limit` entries from index `start` on, in order."""
    query = select(LogEntry).where(LogEntry.index >= start).order_by(LogEntry.index).limit(limit)
    return (await session.scalars(query)).all()


async def entry_of(session: AsyncSession, attestation: str, kind: str) -> LogEntry | None:
    """The entry that says this of an attestation."""
    query = select(LogEntry).where(LogEntry.attestation == attestation, LogEntry.kind == kind)
    return (await session.scalars(query.order_by(LogEntry.index).limit(1))).first()


async def _require(session: AsyncSession, tree_size: int) -> None:
    there = await size(session)
    if not 0 <= tree_size <= there:
        raise InvalidParameterError(f"The log has {there} entries, not {tree_size} or more.")


async def _proof(session: AsyncSession, path: Callable[[], list[merkle.Range]]) -> list[bytes]:
    try:
        spans = path()
    except ValueError as error:
        raise InvalidParameterError(f"There is no such proof: {error}.") from None
    hashes = await _hashes(session, merkle.nodes_of_all(spans))
    return [merkle.hash_of(span, hashes) for span in spans]


async def _hashes(session: AsyncSession, nodes: Iterable[Node]) -> dict[Node, bytes]:
    wanted = list(nodes)
    if not wanted:
        return {}
    query = select(LogNode.level, LogNode.index, LogNode.hash).where(
        tuple_(LogNode.level, LogNode.index).in_(wanted)
    )
    return {(level, index): found for level, index, found in await session.execute(query)}
