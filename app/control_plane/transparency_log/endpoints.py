"""HTTP endpoints of the transparency log. They need no credential."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.control_plane.transparency_log import merkle, service
from app.control_plane.transparency_log.dependencies import Signer
from app.control_plane.transparency_log.models import LogEntry
from app.control_plane.transparency_log.schemas import (
    LogEntriesView,
    LogEntryView,
    LogProofView,
    LogView,
)
from app.control_plane.transparency_log.tile_endpoints import NOTE
from app.core.errors import InvalidParameterError
from app.rest.dependencies import Session

PATH = "/api/attestations/log"
router = APIRouter(prefix=PATH, tags=["attestations"])

PUBLIC = frozenset({("GET", PATH), ("GET", f"{PATH}/proof"), ("GET", f"{PATH}/entries")})

TreeSize = Annotated[int, Query(ge=0, le=2**53)]


@router.get("")
async def checkpoint(
    request: Request, response: Response, session: Session, signer: Signer
) -> LogView:
    """The signed checkpoint (C2SP tlog-checkpoint) of the log's present state.

    With `Accept: text/plain` the response is the signed note alone.
    """
    current = await signer.checkpoint(session)
    note = signer.sign(current)
    accepted = request.headers.get("accept", "")
    if "text/plain" in accepted and "application/json" not in accepted:
        return Response(note, media_type=NOTE, headers={"vary": "accept"})  # type: ignore[return-value]
    response.headers["vary"] = "accept"
    cosigned = await signer.cosigned(session)
    return LogView(
        origin=current.origin,
        tree_size=current.size,
        root_hash=current.root.hex(),
        checkpoint=note,
        key=str(signer.verifier),
        cosigned=None if cosigned is None else cosigned[1],
        witnesses=[str(key) for key in signer.cosignatures.keys],
    )


@router.get("/proof")
async def proof(
    session: Session,
    index: TreeSize | None = None,
    tree_size: TreeSize | None = None,
    first: TreeSize | None = None,
    second: TreeSize | None = None,
) -> LogProofView:
    """Prove that the log contains an entry, or that it has only grown.

    `index`: the entry is in the tree of `tree_size` entries (RFC 6962, section 2.1.1). `first`: the
    tree of `second` entries extends that of `first` (section 2.1.2). `tree_size` and `second` are
    the present size of the log by default.
    """
    if (index is None) == (first is None):
        raise InvalidParameterError("Give `index` for an inclusion proof, or `first` and `second`.")
    size = await service.size(session)
    if index is not None:
        size = size if tree_size is None else tree_size
        path = await service.inclusion_proof(session, index, size)
        (entry,) = await service.entries(session, index, 1)
        return LogProofView(
            kind="inclusion",
            index=index,
            tree_size=size,
            leaf_hash=_leaf_hash(entry),
            root_hash=(await service.root(session, size)).hex(),
            proof=[node_hash.hex() for node_hash in path],
        )
    assert first is not None
    size = size if second is None else second
    path = await service.consistency_proof(session, first, size)
    return LogProofView(
        kind="consistency",
        first=first,
        tree_size=size,
        first_root_hash=(await service.root(session, first)).hex(),
        root_hash=(await service.root(session, size)).hex(),
        proof=[node_hash.hex() for node_hash in path],
    )


@router.get("/entries")
async def entries(
    session: Session,
    start: TreeSize = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LogEntriesView:
    """The log's entries from `start` on, for those who copy or monitor the log."""
    size = await service.size(session)
    page = [
        entry
        for entry in await service.entries(session, start, limit)
        # Not those that were added since the size was read.
        if entry.index < size
    ]
    following = start + len(page)
    return LogEntriesView(
        entries=[
            LogEntryView(
                index=entry.index,
                kind=entry.kind,
                attestation=entry.attestation,
                entry=entry.text,
                leaf_hash=_leaf_hash(entry),
            )
            for entry in page
        ],
        tree_size=size,
        next=following if page and following < size else None,
    )


def _leaf_hash(entry: LogEntry) -> str:
    return merkle.leaf_hash(entry.text.encode()).hex()
