"""HTTP endpoints: mint requests."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.control_plane.attestations.schemas import Hash
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.minting import listing
from app.control_plane.minting.schemas import (
    MintRequestBody,
    MintRequestFilter,
    MintRequestSummary,
    MintRequestView,
)
from app.control_plane.minting.service import sign_mint_request
from app.core.app_state import state_of
from app.rest.dependencies import (
    Attesting,
    ChangeSession,
    CurrentActor,
    CurrentReads,
    Reading,
)
from app.rest.pagination import Page

router = APIRouter(prefix="/api/attestations", tags=["minting"])
requests = APIRouter(prefix="/api/mint-requests", tags=["minting"])


@requests.get("", response_model=Page[MintRequestSummary])
async def list_mint_requests(
    reader: Reading, reads: CurrentReads, filters: Annotated[MintRequestFilter, Query()]
) -> Response:
    """List the mint requests of the caller's improvements, or of a token that it holds.

    Newest first, by their first signature.
    """
    return await listing.list_mint_requests(reads, filters, reader)


@router.post("/{digest}/mint-request")
async def request_mint(
    request: Request,
    digest: Hash,
    caller: Attesting,
    session: ChangeSession,
    actor: CurrentActor,
    body: MintRequestBody | None = None,
) -> MintRequestView:
    """Sign a MintRequest (EIP-712) for the Hokusai contracts; it is valid for a day.

    For the model number that the operator has bound to the token, and for an improvement of the
    token's holder or one that the holder has approved. The same improvement gets the same request.
    """
    attestor = state_of(request)[Attestor]
    expected = None if body is None else body.chain_model_id
    return await sign_mint_request(session, digest, caller, actor, attestor, expected)
