"""The transparency log: an append-only list of entries, with the Merkle tree of RFC 6962 over it.

An entry's index is its place in the tree. Each append holds a lock until its transaction ends, so
that there are no gaps, and a transaction that reads a size finds every node of a tree of that size.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.transparency_log import merkle
from app.control_plane.transparency_log.merkle import Growth, Node
from app.control_plane.transparency_log.models import LogEntry
from app.core import canonical_json
from app.core.errors import InvalidParameterError, UnprocessableError
from app.database import direct
from app.database.direct import Write
from app.database.engine import now
from app.database.reads import Statement

# The key of a PostgreSQL advisory lock: any number that no other lock of the gateway has.
APPEND_LOCK = 7_083_621_549

# Bytes of an entry; its length in a tile has 16 bits.
MAX_ENTRY = 65_535

# The kinds of entries about an attestation. Other packages have further kinds.
ATTESTED = "attested"
REVOKED = "revoked"
ABOUT_ATTESTATIONS = frozenset({ATTESTED, REVOKED})

# The same statements for any number of rows, so that they are prepared only once.
_ADD_ENTRIES = (
    "insert into attestation_log (index, kind, attestation, text, at)"
    " select * from unnest(cast(:indexes as bigint[]), cast(:kinds as text[]),"
    " cast(:attestations as text[]), cast(:texts as text[]), cast(:times as timestamptz[]))"
)
_ADD_NODES = (
    "insert into attestation_log_nodes (level, index, hash)"
    " select * from unnest(cast(:levels as smallint[]), cast(:indexes as bigint[]),"
    " cast(:hashes as bytea[]))"
)
# One row for each node, in their order. A subquery for each leads to the index also where the
# statement was planned while the table was small.
_NODES = Statement(
    text(
        "select (select hash from attestation_log_nodes as node"
        " where node.level = needed.level and node.index = needed.index)"
        " from unnest(cast(:levels as smallint[]), cast(:indexes as bigint[]))"
        " with ordinality as needed (level, index, place) order by place"
    )
)
_LOCK = text(f"select pg_advisory_xact_lock({APPEND_LOCK})")
_SIZE = Statement(text("select max(index) from attestation_log"))
# A row for each complete subtree that the tree consists of, one for each bit of its size.
_TREE = Statement(
    text(
        "select log.size, part.level, (select hash from attestation_log_nodes as node"
        " where node.level = part.level and node.index = log.size >> (part.level + 1) << 1)"
        " from (select coalesce(max(index) + 1, 0) as size from attestation_log) as log"
        " left join generate_series(0, 61) as part (level) on log.size >> part.level & 1 = 1"
    )
)


async def lock(session: AsyncSession) -> Growth:
    """Block other appends until the transaction ends. Returns the tree as it is.

    A transaction that uses up a wallet's message does so before: one that waits for a message while
    it has the lock, and one that waits for the lock while it has the message, would never end.
    """
    await session.execute(_LOCK)
    rows = await direct.run(session, _TREE)
    count: int = rows[0]["size"]
    return Growth(
        count,
        {
            (level, count >> (level + 1) << 1): node_hash
            for _, level, node_hash in rows
            if node_hash is not None
        },
    )


async def size(session: AsyncSession) -> int:
    """How many entries the log has."""
    ((last,),) = await direct.run(session, _SIZE)
    return 0 if last is None else last + 1


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What an entry is to say.

    subject: what it is about; of the kinds `ABOUT_ATTESTATIONS` an attestation's hash. Its text is
    the canonical JSON of `kind`, of the subject as `attestation` or for other kinds as `subject`,
    of the time `at`, and of further members.
    """

    kind: str
    subject: str
    members: Mapping[str, object] = field(default_factory=dict)


async def append(
    session: AsyncSession, tree: Growth, kind: str, subject: str, **members: object
) -> LogEntry:
    """Add one entry to the tree that `lock` returned: see `NewEntry`."""
    new = prepare(tree, [NewEntry(kind, subject, members)])
    await direct.run_all(session, new.writes)
    return new.entries[0]


@dataclass(frozen=True, slots=True)
class Appended:
    """Entries that are about to be added. writes: what adds them."""

    entries: Sequence[LogEntry]
    writes: Sequence[Write]


def prepare(tree: Growth, new: Sequence[NewEntry]) -> Appended:
    """Prepare adding entries to the tree that `lock` returned, which then has them.

    The statements are as many for any number of entries.
    """
    known = len(tree.added)
    entries = [_entry(number, one) for number, one in enumerate(new, tree.size)]
    for entry in entries:
        tree.add(merkle.leaf_hash(entry.text.encode()))
    nodes = list(tree.added.items())[known:]
    of_entries = {
        "indexes": [entry.index for entry in entries],
        "kinds": [entry.kind for entry in entries],
        "attestations": [entry.attestation for entry in entries],
        "texts": [entry.text for entry in entries],
        "times": [entry.at for entry in entries],
    }
    of_nodes = {
        "levels": [level for (level, _), _ in nodes],
        "indexes": [index for (_, index), _ in nodes],
        "hashes": [node_hash for _, node_hash in nodes],
    }
    writes = [Write("entries", _ADD_ENTRIES, of_entries), Write("nodes", _ADD_NODES, of_nodes)]
    return Appended(entries, writes)


def _entry(index: int, new: NewEntry) -> LogEntry:
    at = now()
    attestation = new.subject if new.kind in ABOUT_ATTESTATIONS else None
    name = "subject" if attestation is None else "attestation"
    content = canonical_json.canonicalize(
        {"kind": new.kind, name: new.subject, "at": at.isoformat(), **new.members}
    )
    if len(content) > MAX_ENTRY:
        raise UnprocessableError(f"An entry of the log has at most {MAX_ENTRY} bytes.")
    return LogEntry(index=index, kind=new.kind, attestation=attestation, text=content, at=at)


async def root(session: AsyncSession, tree_size: int) -> bytes:
    """The Merkle tree hash of the first `tree_size` entries, 32 bytes."""
    leaves = (0, tree_size)
    return merkle.range_hash(leaves, await _hashes(session, merkle.covering_nodes(leaves)))


async def inclusion_proof(session: AsyncSession, index: int, tree_size: int) -> list[bytes]:
    """The proof that entry `index` is in the tree of `tree_size` entries.

    Raises InvalidParameterError where the log has no such tree, or the tree no such entry.
    """
    await _require_size(session, tree_size)
    return await _proof(session, lambda: merkle.inclusion_path(index, tree_size))


async def consistency_proof(session: AsyncSession, first: int, second: int) -> list[bytes]:
    """The proof that the tree of `second` entries extends that of `first`.

    Raises InvalidParameterError where the log has no such trees.
    """
    await _require_size(session, second)
    return await _proof(session, lambda: merkle.consistency_path(first, second))


async def entries(session: AsyncSession, start: int, limit: int) -> Sequence[LogEntry]:
    """At most `limit` entries, from index `start` on."""
    query = select(LogEntry).where(LogEntry.index >= start).order_by(LogEntry.index).limit(limit)
    return (await session.scalars(query)).all()


async def find_entry(session: AsyncSession, attestation: str, kind: str) -> LogEntry | None:
    """The first entry of a kind about an attestation, if there is one."""
    query = select(LogEntry).where(LogEntry.attestation == attestation, LogEntry.kind == kind)
    return (await session.scalars(query.order_by(LogEntry.index).limit(1))).first()


async def _require_size(session: AsyncSession, tree_size: int) -> None:
    available = await size(session)
    if not 0 <= tree_size <= available:
        raise InvalidParameterError(
            f"The log has {available} entries, so there is no tree of {tree_size}."
        )


async def _proof(session: AsyncSession, path: Callable[[], list[merkle.Range]]) -> list[bytes]:
    try:
        ranges = path()
    except ValueError as error:
        raise InvalidParameterError(f"There is no such proof: {error}.") from None
    hashes = await _hashes(session, merkle.covering_nodes(*ranges))
    return [merkle.range_hash(leaves, hashes) for leaves in ranges]


async def _hashes(session: AsyncSession, nodes: Iterable[Node]) -> dict[Node, bytes]:
    needed = list(nodes)
    if not needed:
        return {}
    levels, indexes = zip(*needed, strict=True)
    rows = await direct.run(session, _NODES, levels=levels, indexes=indexes)
    return {
        node: node_hash
        for node, (node_hash,) in zip(needed, rows, strict=True)
        if node_hash is not None
    }
