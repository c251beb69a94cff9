"""HTTP endpoints: mint requests."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from app.control_plane.attestations.log_signer import LogSigner
from app.control_plane.attestations.schemas import Hash
from app.control_plane.minting.schemas import MintRequestView
from app.control_plane.minting.service import mint_request_view
from app.core.app_state import state_of
from app.core.errors import InvalidParameterError
from app.core.text_pattern import TextPattern
from app.rest.dependencies import Attesting, Session

router = APIRouter(prefix="/api/attestations", tags=["minting"])

ChainModelId = Annotated[
    str,
    TextPattern(
        r"^(0|[1-9][0-9]{0,76})$", "must be a whole number of 1 to 77 digits, without leading zeros"
    ),
    Field(json_schema_extra={"maxLength": 77}),
]


def _signer(request: Request) -> LogSigner:
    return state_of(request)[LogSigner]


Signer = Annotated[LogSigner, Depends(_signer)]


@router.get("/{digest}/mint-request")
async def mint_request(
    digest: Hash,
    caller: Attesting,
    session: Session,
    signer: Signer,
    chain_model_id: Annotated[
        ChainModelId | None,
        Query(description="The model's number on the chain. Default: derived from its name."),
    ] = None,
) -> MintRequestView:
    """A MintRequest (EIP-712) for the Hokusai contracts, unsigned and signed; valid for a day."""
    number = None if chain_model_id is None else int(chain_model_id)
    if number is not None and number >= 2**256:
        raise InvalidParameterError("chain_model_id is larger than 256 bits can hold.")
    return await mint_request_view(session, digest, caller, number, signer.attestor)
