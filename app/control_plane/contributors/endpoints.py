"""HTTP endpoints: a contributor, and its contributions."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from app.control_plane.contributors import service
from app.control_plane.contributors.schemas import (
    ContributionView,
    ContributorSummary,
    ContributorView,
)
from app.control_plane.contributors.shares import Address
from app.core.errors import NotFoundError
from app.core.ethereum import checksum_address
from app.rest.dependencies import CurrentReads, Reading
from app.rest.listing import read_page
from app.rest.pagination import Page, PageRequest

router = APIRouter(prefix="/api/contributors", tags=["contributors"])

ContributorAddress = Annotated[
    Address, Path(description="The contributor's Ethereum address, in any casing.")
]


@router.get("", response_model=Page[ContributorSummary])
async def list_contributors(
    _: Reading,
    reads: CurrentReads,
    page: Annotated[PageRequest, Query()],
) -> Response:
    """The contributors to models that everybody may see, ordered by address."""
    return await read_page(
        reads,
        service.CONTRIBUTORS,
        ContributorSummary.model_validate,
        cursor=page.cursor,
        limit=page.limit,
    )


@router.get("/{address}")
async def show_contributor(
    address: ContributorAddress, reader: Reading, reads: CurrentReads
) -> ContributorView:
    """What an address contributed, and how much the models improved with it."""
    address = checksum_address(address)
    totals = await service.contributor_totals(reads, address, reader)
    if totals is None:
        raise NotFoundError(f"{address} has not contributed to any model.")
    return ContributorView(
        address=address,
        contributions=totals.contributions,
        models=totals.models,
        data_size=totals.data_size,
        deltas=totals.deltas,
        attestations=totals.attestations,
        first_at=totals.first_at,
        last_at=totals.last_at,
    )


@router.get("/{address}/contributions", response_model=Page[ContributionView])
async def list_contributions(
    address: ContributorAddress,
    reader: Reading,
    reads: CurrentReads,
    page: Annotated[PageRequest, Query()],
) -> Response:
    """The contributions of an address, newest first."""
    return await read_page(
        reads,
        service.CONTRIBUTIONS,
        ContributionView.of,
        cursor=page.cursor,
        limit=page.limit,
        address=checksum_address(address),
        own=reader.tenant,
    )
