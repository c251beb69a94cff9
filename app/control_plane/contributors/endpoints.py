"""Contributors over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from app.control_plane.contributors import service
from app.control_plane.contributors.schemas import ContributionView, ContributorView
from app.control_plane.contributors.service import AttestationsFor
from app.control_plane.contributors.shares import Address
from app.core.app_state import state_of
from app.core.errors import NotFoundError
from app.core.ethereum import checksum_address
from app.rest.dependencies import Reading, Session
from app.rest.pagination import Cursor, Page, PageSize, decode_number, encode_cursor

router = APIRouter(prefix="/api/contributors", tags=["contributors"])

Wanted = Annotated[Address, Path(description="In any casing.")]


@router.get("/{address}")
async def show_contributor(
    request: Request, address: Wanted, reader: Reading, session: Session
) -> ContributorView:
    """What an address contributed, and what came of it."""
    attestations_for = state_of(request)[AttestationsFor]
    address = checksum_address(address)
    totals = await service.totals(session, address, reader)
    if totals is None:
        raise NotFoundError(f"{address} has contributed to no model.")
    return ContributorView(
        address=address,
        contributions=totals.contributions,
        models=totals.models,
        data_size=totals.data_size,
        deltas=totals.deltas,
        attestations=await attestations_for(session, address, reader),
        first_at=totals.first_at,
        last_at=totals.last_at,
    )


@router.get("/{address}/contributions")
async def list_contributions(
    address: Wanted,
    reader: Reading,
    session: Session,
    cursor: Cursor = None,
    limit: Annotated[PageSize, Query()] = 100,
) -> Page[ContributionView]:
    """An address's contributions, newest first."""
    found = await service.page(
        session,
        checksum_address(address),
        reader,
        before=decode_number(cursor) if cursor else None,
        limit=limit,
    )
    more = encode_cursor(str(found[limit - 1].id)) if len(found) > limit else None
    return Page(items=[ContributionView.of(row) for row in found[:limit]], next=more)
