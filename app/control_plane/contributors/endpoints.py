"""HTTP endpoints: a contributor, and its contributions."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from app.control_plane.contributors import service
from app.control_plane.contributors.schemas import ContributionView, ContributorView
from app.control_plane.contributors.service import AttestationsByContributor
from app.control_plane.contributors.shares import Address
from app.core.app_state import state_of
from app.core.errors import NotFoundError
from app.core.ethereum import checksum_address
from app.rest.dependencies import Reading, Session
from app.rest.pagination import Cursor, Page, PageSize, decode_number

router = APIRouter(prefix="/api/contributors", tags=["contributors"])

ContributorAddress = Annotated[
    Address, Path(description="The contributor's Ethereum address, in any casing.")
]


@router.get("/{address}")
async def show_contributor(
    request: Request, address: ContributorAddress, reader: Reading, session: Session
) -> ContributorView:
    """What an address contributed, and how much the models improved with it."""
    attestations_by_contributor = state_of(request)[AttestationsByContributor]
    address = checksum_address(address)
    totals = await service.contributor_totals(session, address, reader)
    if totals is None:
        raise NotFoundError(f"{address} has not contributed to any model.")
    return ContributorView(
        address=address,
        contributions=totals.contributions,
        models=totals.models,
        data_size=totals.data_size,
        deltas=totals.deltas,
        attestations=await attestations_by_contributor(session, address, reader),
        first_at=totals.first_at,
        last_at=totals.last_at,
    )


@router.get("/{address}/contributions")
async def list_contributions(
    address: ContributorAddress,
    reader: Reading,
    session: Session,
    cursor: Cursor = None,
    limit: Annotated[PageSize, Query()] = 100,
) -> Page[ContributionView]:
    """The contributions of an address, newest first."""
    rows = await service.list_contributions(
        session,
        checksum_address(address),
        reader,
        before=decode_number(cursor) if cursor else None,
        limit=limit,
    )
    return Page.of(rows, limit, key=lambda row: row.id, view=ContributionView.of)
