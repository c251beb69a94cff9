"""The pages of contributors: the list, and one address with what it gave."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.control_plane.attestations.listing import load_attestations
from app.control_plane.attestations.schemas import AttestationFilter
from app.control_plane.contributors import endpoints, service
from app.control_plane.contributors.endpoints import ContributorAddress
from app.control_plane.contributors.schemas import ContributionView, ContributorSummary
from app.control_plane.contributors.shares import Address
from app.core.ethereum import checksum_address
from app.rest.dependencies import CurrentReads, Reading
from app.rest.listing import load_page
from app.web.forms import ListSearch, see_other
from app.web.pictures.identicon import identicon
from app.web.rendering import page, paging

router = APIRouter(prefix="/contributors", include_in_schema=False)

# Attestations on the page of one contributor; their own page has the others.
SHOWN_ATTESTATIONS = 10


class ContributorSearch(ListSearch):
    """One page of the list, or the address to look up."""

    address: Address | None = None


@router.get("")
async def list_contributors(
    request: Request, _: Reading, reads: CurrentReads, asked: Annotated[ContributorSearch, Query()]
) -> Response:
    """The contributors, as the API lists them."""
    if asked.address is not None:
        return see_other(f"/contributors/{checksum_address(asked.address)}")
    found, following = await load_page(
        reads,
        service.CONTRIBUTORS,
        ContributorSummary.model_validate,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    return page(
        request,
        "contributors/list.html",
        compress=True,
        contributors=found,
        identicon=identicon,
        **paging(asked, following),
    )


@router.get("/{address}")
async def show(
    request: Request,
    address: ContributorAddress,
    reader: Reading,
    reads: CurrentReads,
    asked: Annotated[ListSearch, Query()],
) -> Response:
    """One contributor."""
    contributor = await endpoints.show_contributor(address, reader, reads)
    contributions, following = await load_page(
        reads,
        service.CONTRIBUTIONS,
        ContributionView.of,
        cursor=asked.cursor,
        limit=asked.limit,
        address=contributor.address,
        own=reader.tenant,
    )
    attestations, more = await load_attestations(
        reads,
        AttestationFilter(contributor=contributor.address, limit=SHOWN_ATTESTATIONS),
        reader,
    )
    return page(
        request,
        "contributors/show.html",
        compress=True,
        contributor=contributor,
        contributions=contributions,
        attestations=attestations,
        has_more_attestations=more is not None,
        identicon=identicon,
        **paging(asked, following),
    )
