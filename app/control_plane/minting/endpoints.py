"""HTTP endpoints: mint requests."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.control_plane.attestations.schemas import Hash
from app.control_plane.minting import listing
from app.control_plane.minting.schemas import (
    MintRequestBody,
    MintRequestFilter,
    MintRequestSummary,
    MintRequestView,
    PlatformMessage,
    SignatureRequest,
)
from app.control_plane.minting.service import MintRequests
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.rest.dependencies import Attesting, CurrentActor, CurrentReads, Reading
from app.rest.pagination import Page

router = APIRouter(prefix="/api/attestations", tags=["minting"])
requests = APIRouter(prefix="/api/mint-requests", tags=["minting"])

Number = Annotated[int, Path(ge=1, le=2**53)]


@requests.get("", response_model=Page[MintRequestSummary])
async def list_mint_requests(
    request: Request,
    reader: Reading,
    reads: CurrentReads,
    filters: Annotated[MintRequestFilter, Query()],
) -> Response:
    """List the mint requests of the caller's improvements, or of a token that it holds.

    Newest first, by their first signature.
    """
    signers = await state_of(request)[MintRequests].find_signers()
    return await listing.list_mint_requests(reads, filters, reader, signers)


@requests.get("/{number}")
async def show_mint_request(request: Request, number: Number, reader: Reading) -> MintRequestView:
    """One mint request, with the typed data that further attestors sign."""
    return await state_of(request)[MintRequests].show(number, reader)


@requests.get("/{number}/message")
async def show_message(request: Request, number: Number, reader: Reading) -> PlatformMessage:
    """A complete mint request as the message that the platform's minting service takes.

    With the signatures that count.
    """
    message = await state_of(request)[MintRequests].message(number, reader)
    return PlatformMessage.model_validate(message)


@requests.post("/{number}/signatures")
async def add_signature(
    request: Request, number: Number, body: SignatureRequest, caller: Attesting, actor: CurrentActor
) -> MintRequestView:
    """Add the signature of a further attestor, whom HOKUSAI_MINT_SIGNERS names.

    It may be made anywhere, such as with a hardware wallet: what counts is who signed, not who
    sends it. The signature of one who has signed already changes nothing.
    """
    proof = context_of(request.scope).wallet_proof
    return await state_of(request)[MintRequests].attach(
        number, body.signature, caller, actor, proof
    )


@router.post("/{digest}/mint-request")
async def request_mint(
    request: Request,
    digest: Hash,
    caller: Attesting,
    actor: CurrentActor,
    body: MintRequestBody | None = None,
) -> MintRequestView:
    """Sign a MintRequest (EIP-712) for the Hokusai contracts; it is valid for a day.

    For the model number that the operator has bound to the token, and for an improvement of the
    token's holder or one that the holder has approved. The same improvement gets the same request.
    """
    proof = context_of(request.scope).wallet_proof
    return await state_of(request)[MintRequests].sign(
        digest, caller, actor, body or MintRequestBody(), proof
    )
