"""Signing mint requests: only for what the operator and the token's holder agreed to, and once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.attestations import eas
from app.control_plane.attestations.eip712 import TypedData
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.minting import bindings
from app.control_plane.minting.approvals import find_approvals
from app.control_plane.minting.improvement import Improvement, find_improvement
from app.control_plane.minting.mint_request import (
    PLACEHOLDERS,
    build_mint_request,
    require_mintable,
)
from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.schemas import MintRequestView
from app.core.canonical_json import parse
from app.core.errors import (
    ApprovalMissingError,
    NotMintableError,
    PermissionDeniedError,
    UnboundTokenError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now

# How long the contract accepts a mint request.
LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Signing:
    """What one signature is about.

    approvals: the ids of the holder's approvals; empty for an improvement of the holder's own.
    """

    improvement: Improvement
    attestation: str
    delta_one: float
    chain_model_id: str
    approvals: list[int]
    request: TypedData


async def sign_mint_request(
    session: AsyncSession,
    digest: str,
    principal: Principal,
    actor: Actor,
    attestor: Attestor,
    expected_number: str | None,
) -> MintRequestView:
    """The signed mint request of the improvement that an attestation states.

    Until its deadline every request for the same improvement gets the same one, whichever of its
    attestations it names. expected_number: the model number that the caller expects; None for
    whichever is bound to the token.

    Raises NotFoundError, PermissionDeniedError for another tenant's attestation,
    ApprovalMissingError, and NotMintableError and its kinds.
    """
    signing = await _authorize(session, digest, principal, attestor, expected_number)
    row = await _claim(session, signing, attestor)
    is_valid = row.deadline > now() and _domain(row.typed_data) == _domain(
        signing.request.as_dict()
    )
    if not row.signature or not is_valid:
        _sign(session, row, signing, actor, attestor)
        await session.flush()
    elif await find_revocation(session, row.attestation) is not None:
        raise NotMintableError(
            f"The mint request that was signed for this improvement names the attestation "
            f"{row.attestation}, which was revoked. A new one can be signed after the deadline of "
            f"that one, {row.deadline.isoformat()}."
        )
    elif _substance(row.typed_data["message"]) != _substance(_message(signing.request)):
        raise NotMintableError(
            f"A mint request with other contributors or values was signed for this run, as the "
            f"improvement {row.model_id}, and a contract accepts it until its deadline, "
            f"{row.deadline.isoformat()}. A new one can be signed after that."
        )
    return _view(row, signing.delta_one)


async def _authorize(
    session: AsyncSession,
    digest: str,
    principal: Principal,
    attestor: Attestor,
    expected_number: str | None,
) -> Signing:
    """Check everything that a signature depends on. Raises as `sign_mint_request` does."""
    attestation = await find_attestation(session, digest, principal)
    if attestation.tenant != principal.tenant:
        raise PermissionDeniedError(
            "Only the tenant that requested an attestation can request the mint of its improvement."
        )
    if await find_revocation(session, digest) is not None:
        raise NotMintableError("The attestation was revoked.")
    data = parse(attestation.text)
    require_mintable(data)
    improvement = await find_improvement(session, data)
    number = await _bound_number(session, improvement, expected_number)
    approvals = await _require_holders_word(session, improvement)
    request = build_mint_request(
        attestor.chain, digest, data, int(number), deadline=now() + LIFETIME
    )
    return Signing(improvement, digest, data["delta_one"], number, approvals, request)


async def _bound_number(
    session: AsyncSession, improvement: Improvement, expected: str | None
) -> str:
    symbol = improvement.token.symbol
    binding = await bindings.find(session, symbol)
    if binding is None:
        raise UnboundTokenError(
            f"No model number on the chain is bound to the token id {symbol!r}, so nothing can be "
            "signed for it. The operator of the gateway binds it."
        )
    if expected is not None and expected != binding.chain_model_id:
        raise UnboundTokenError(
            f"The model number {expected} is not the one that is bound to the token id {symbol!r}. "
            "Leave chain_model_id out, or send the bound one."
        )
    return binding.chain_model_id


async def _require_holders_word(session: AsyncSession, improvement: Improvement) -> list[int]:
    """The approvals of the token's holder; none are needed for an improvement of its own."""
    model, token = improvement.model, improvement.token
    if token.tenant is None:
        raise NotMintableError(
            f"The token id {token.symbol!r} is reserved for nobody, so it has no holder whose wish "
            "a mint could be."
        )
    if model.tenant == token.tenant:
        return []
    contributors = {share["address"] for share in model.contributors}
    approvals = await find_approvals(session, token, model.model_id, contributors)
    if not approvals:
        raise ApprovalMissingError(
            f"The token id {token.symbol!r} belongs to another tenant, which has approved neither "
            f"the improvement {model.model_id} nor all of its contributors. Ask the holder to "
            "approve it (POST /api/mint-approvals)."
        )
    return approvals


async def _claim(session: AsyncSession, signing: Signing, attestor: Attestor) -> MintRequest:
    """The row of the improvement, locked; one without a signature where it is new.

    Raises NotMintableError where the same candidate has a row for another model number or over
    another baseline.
    """
    payload = signing.request.message["payload"]
    key, candidate = payload["anchors"]["idempotencyKey"], payload["candidateCommitment"]
    metric = payload["anchors"]["metricName"]
    new = insert(MintRequest).values(
        idempotency_key=key,
        candidate_commitment=candidate,
        metric=metric,
        symbol=signing.improvement.token.symbol,
        chain_model_id=signing.chain_model_id,
        tenant=signing.improvement.model.tenant,
        model_id=signing.improvement.model.model_id,
        attestation=signing.attestation,
        typed_data={},
        digest="",
        signature="",
        signer=attestor.address,
        created_at=now(),
        signed_at=now(),
        deadline=now(),
    )
    # Of several requests at the same time, one inserts, and the others wait for it here.
    await session.execute(new.on_conflict_do_nothing())
    row = (
        await session.scalars(
            select(MintRequest)
            .where(MintRequest.candidate_commitment == candidate, MintRequest.metric == metric)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()
    if row.idempotency_key != key:
        raise NotMintableError(
            f"A mint request was signed for this run and {metric} already, as the improvement "
            f"{row.model_id} of the model number {row.chain_model_id}. One candidate is minted "
            "once."
        )
    return row


def _sign(
    session: AsyncSession, row: MintRequest, signing: Signing, actor: Actor, attestor: Attestor
) -> None:
    request, improvement = signing.request, signing.improvement
    payload = request.message["payload"]
    row.model_id, row.attestation = improvement.model.model_id, signing.attestation
    row.typed_data = request.as_dict() | {"message": _message(request)}
    row.digest = f"0x{request.digest().hex()}"
    row.signature, row.signer = attestor.sign(request), attestor.address
    row.signed_at, row.deadline = now(), datetime.fromtimestamp(payload["deadline"], UTC)
    audit.record(
        session,
        actor,
        "mint_request.signed",
        signing.attestation,
        improvement.model.tenant,
        token_id=improvement.token.symbol,
        holder=improvement.token.tenant,
        approvals=signing.approvals,
        model_id=improvement.model.model_id,
        baseline_model_id=improvement.model.baseline_model_id,
        chain_id=attestor.chain.id,
        contract=attestor.chain.contract,
        signer=attestor.address,
        digest=row.digest,
        message=row.typed_data["message"],
    )


def _message(request: TypedData) -> dict[str, Any]:
    """The message as responses show it: JavaScript would round a number of 256 bits."""
    return request.message | {"modelId": str(request.message["modelId"])}


def _substance(message: Mapping[str, Any]) -> Any:
    """A message without what differs between two requests for the same mint."""
    payload = dict(message["payload"])
    anchors = {
        name: value for name, value in payload["anchors"].items() if name != "attestationHash"
    }
    del payload["deadline"]
    return dict(message) | {"payload": payload | {"anchors": anchors}}


def _domain(typed_data: Mapping[str, Any]) -> Any:
    return typed_data.get("domain")


def _view(row: MintRequest, delta_one: float) -> MintRequestView:
    warnings = []
    if row.typed_data["domain"]["verifyingContract"] == eas.ZERO_ADDRESS:
        warnings.append(
            {
                "code": "no_verifying_contract",
                "message": "HOKUSAI_VERIFYING_CONTRACT is not set, so no contract accepts this.",
            }
        )
    return MintRequestView(
        attestation=row.attestation,
        model_id=row.model_id,
        token_id=row.symbol,
        chain_model_id=row.chain_model_id,
        delta_one=delta_one,
        draft=bool(PLACEHOLDERS),
        placeholders=list(PLACEHOLDERS),
        typed_data=row.typed_data,
        digest=row.digest,
        signatures=[row.signature],
        signers=[row.signer],
        signed_at=row.signed_at,
        deadline=row.deadline,
        warnings=warnings,
    )
