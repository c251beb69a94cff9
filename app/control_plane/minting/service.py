"""Signed mint requests, for the tenant that owns an attestation."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations import eas
from app.control_plane.attestations.canonical_json import parse
from app.control_plane.attestations.lookup import find_own_attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.minting.mint_request import build_mint_request
from app.control_plane.minting.schemas import MintRequestView
from app.core.errors import NotMintableError
from app.core.request.principal import Principal
from app.database.engine import now

# How long the contract accepts a mint request.
LIFETIME = timedelta(days=1)


async def mint_request_view(
    session: AsyncSession,
    digest: str,
    principal: Principal,
    chain_model_id: int | None,
    attestor: Attestor,
) -> MintRequestView:
    """The mint request of an attestation, unsigned and signed.

    chain_model_id: as `build_mint_request` takes it. Raises NotFoundError, PermissionDeniedError
    for another tenant's attestation, and NotMintableError.
    """
    row = await find_own_attestation(session, digest, principal)
    if await find_revocation(session, digest) is not None:
        raise NotMintableError("The attestation was revoked.")
    data = parse(row.text)
    request = build_mint_request(
        attestor.chain, digest, data, chain_model_id, deadline=now() + LIFETIME
    )
    warnings = []
    if attestor.chain.contract == eas.ZERO_ADDRESS:
        warnings.append(
            {
                "code": "no_verifying_contract",
                "message": "HOKUSAI_VERIFYING_CONTRACT is not set, so no contract accepts this.",
            }
        )
    # As text, because JavaScript would round a number of 256 bits.
    model_id = str(request.message["modelId"])
    return MintRequestView(
        attestation=digest,
        delta_one=data["delta_one"],
        typed_data=request.as_dict() | {"message": request.message | {"modelId": model_id}},
        digest=f"0x{request.digest().hex()}",
        signatures=[attestor.sign(request)],
        signers=[attestor.address],
        warnings=warnings,
    )
