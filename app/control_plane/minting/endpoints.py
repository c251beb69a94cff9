"""HTTP endpoints: mint requests."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.schemas import Hash
from app.control_plane.minting import listing
from app.control_plane.minting.lookup import find_mint_request
from app.control_plane.minting.platform_message import platform_message
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
from app.core.canonical_json import parse
from app.core.errors import IncompleteMintRequestError, NotMintableError
from app.core.request.context import context_of
from app.database.engine import now
from app.rest.dependencies import (
    Attesting,
    ChangeSession,
    CurrentActor,
    CurrentReads,
    Reading,
    Session,
)
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
    signers = state_of(request)[MintRequests].signers
    return await listing.list_mint_requests(reads, filters, reader, signers)


@requests.get("/{number}")
async def show_mint_request(
    request: Request, number: Number, reader: Reading, session: Session
) -> MintRequestView:
    """One mint request, with the typed data that further attestors sign."""
    service = state_of(request)[MintRequests]
    return service.view(await find_mint_request(session, number, reader, service.signers))


@requests.get("/{number}/message")
async def show_message(
    request: Request, number: Number, reader: Reading, session: Session
) -> PlatformMessage:
    """A complete mint request as the message that the platform's minting service takes."""
    signers = state_of(request)[MintRequests].signers
    row = await find_mint_request(session, number, reader, signers)
    if row.deadline <= now():
        raise NotMintableError(
            "No contract accepts this mint request after its deadline. Request it anew."
        )
    if await find_revocation(session, row.attestation) is not None:
        raise NotMintableError("The attestation that this mint request names was revoked.")
    if len(row.signatures) < signers.required:
        raise IncompleteMintRequestError(
            f"This mint request needs {signers.required} signatures, and has "
            f"{len(row.signatures)}. A further attestor signs its typed_data, and sends the "
            f"signature to POST /api/mint-requests/{number}/signatures."
        )
    attestation = await session.get_one(Attestation, row.attestation)
    return PlatformMessage.model_validate(platform_message(row, parse(attestation.text)))


@requests.post("/{number}/signatures")
async def add_signature(
    request: Request,
    number: Number,
    body: SignatureRequest,
    caller: Attesting,
    session: ChangeSession,
    actor: CurrentActor,
) -> MintRequestView:
    """Add the signature of a further attestor, whom HOKUSAI_MINT_SIGNERS names.

    It may be made anywhere, such as with a hardware wallet: what counts is who signed, not who
    sends it. The signature of one who has signed already changes nothing.
    """
    service = state_of(request)[MintRequests]
    return await service.attach(session, number, body.signature, caller, actor)


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
