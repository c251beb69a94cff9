"""HTTP endpoints: mint requests."""

from fastapi import APIRouter, Request

from app.control_plane.attestations.log_signer import LogSigner
from app.control_plane.attestations.schemas import Hash
from app.control_plane.minting.schemas import MintRequestBody, MintRequestView
from app.control_plane.minting.service import sign_mint_request
from app.core.app_state import state_of
from app.rest.dependencies import Attesting, ChangeSession, CurrentActor

router = APIRouter(prefix="/api/attestations", tags=["minting"])


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
    attestor = state_of(request)[LogSigner].attestor
    expected = None if body is None else body.chain_model_id
    return await sign_mint_request(session, digest, caller, actor, attestor, expected)
