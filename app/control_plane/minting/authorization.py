"""What the operator, the token's holder and an attestation agree to: all that a mint depends on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.benchmarks.models import Benchmark
from app.control_plane.minting import bindings
from app.control_plane.minting.approvals import Approvals, find_approvals
from app.control_plane.minting.eligibility import Evidence, require_evidence, require_mintable
from app.control_plane.minting.improvement import Improvement, find_improvement
from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.registry.models import Model
from app.core.canonical_json import parse
from app.core.errors import ApprovalMissingError, NotMintableError, UnboundTokenError


@dataclass(frozen=True, slots=True)
class AuthorizedMint:
    """A mint that may be signed.

    attestation: its hash. data: what it states. chain_model_id: the model's number on the chain.
    approvals: of the token's holder; None for an improvement of its own.
    """

    improvement: Improvement
    attestation: str
    data: Mapping[str, Any]
    evidence: Evidence
    chain_model_id: str
    approvals: Approvals | None


async def authorize(
    session: AsyncSession, attestation: Attestation, expected_number: str | None = None
) -> AuthorizedMint:
    """Check everything that a signature on the mint of an improvement depends on.

    expected_number: the model number that the caller expects; None for whichever is bound.

    Raises NotMintableError and its kinds, and ApprovalMissingError.
    """
    if await find_revocation(session, attestation.hash) is not None:
        raise NotMintableError("The attestation was revoked.")
    data = parse(attestation.text)
    require_mintable(data)
    improvement = await find_improvement(session, data)
    number = await _bound_number(session, improvement, expected_number)
    approvals = await _require_holders_word(session, improvement)
    evidence = require_evidence(data)
    await _require_new_weights(session, improvement, evidence)
    await _require_own_weights(session, improvement, evidence)
    await _require_holders_benchmark(session, improvement, evidence, approvals)
    return AuthorizedMint(improvement, attestation.hash, data, evidence, number, approvals)


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


async def _require_holders_word(
    session: AsyncSession, improvement: Improvement
) -> Approvals | None:
    """The approvals of the token's holder; none are needed for an improvement of its own."""
    model, token = improvement.model, improvement.token
    if token.tenant is None:
        raise NotMintableError(
            f"The token id {token.symbol!r} is reserved for nobody, so it has no holder whose wish "
            "a mint could be."
        )
    if model.tenant == token.tenant:
        return None
    contributors = {share["address"] for share in model.contributors}
    approvals = await find_approvals(session, token, model.model_id, contributors)
    if approvals is None:
        raise ApprovalMissingError(
            f"The token id {token.symbol!r} belongs to another tenant, which has approved neither "
            f"the improvement {model.model_id} nor all of its contributors. Ask the holder to "
            "approve it (POST /api/mint-approvals)."
        )
    return approvals


async def _require_new_weights(
    session: AsyncSession, improvement: Improvement, evidence: Evidence
) -> None:
    """A model of the lineage does not become an improvement by being registered again."""
    same = await session.scalar(
        select(ModelFilesRecord.model_id)
        .where(
            ModelFilesRecord.model_id.in_(improvement.model.path[:-1]),
            ModelFilesRecord.weights == evidence.candidate.removeprefix("0x"),
        )
        .limit(1)
    )
    if same is not None:
        raise NotMintableError(
            f"The improved model has the weights of {same}, from which its lineage leads to it: it "
            "is the same model, and nothing improved."
        )


async def _require_own_weights(
    session: AsyncSession, improvement: Improvement, evidence: Evidence
) -> None:
    """A copy of what another tenant had before is not the improvement of who registers it.

    One set of files is minted once, so that a copy would also keep its trainer from minting it.
    """
    own = improvement.model.tenant
    # A list of files that has proven true was known at the registration, others once they were
    # read: before that, the files can be replaced by those of another model.
    since = case(
        (
            and_(ModelFilesRecord.listed.is_not(None), Model.files == "witnessed"),
            Model.created_at,
        ),
        else_=ModelFilesRecord.witnessed_at,
    )
    holders = (
        select(
            Model.tenant,
            # A registration that was corrected counts from the first one on.
            func.min(since).label("since"),
            func.bool_or(Model.withdrawn_at.is_(None)).label("is_current"),
        )
        .join(ModelFilesRecord, ModelFilesRecord.model_id == Model.model_id)
        .where(
            ModelFilesRecord.weights == evidence.candidate.removeprefix("0x"),
            ModelFilesRecord.witnessed_at.is_not(None),
        )
        .group_by(Model.tenant)
        .cte("holders")
    )
    own_since = select(holders.c.since).where(holders.c.tenant == own).scalar_subquery()
    copied = await session.scalar(
        select(holders.c.tenant)
        .where(holders.c.tenant != own, holders.c.is_current, holders.c.since < own_since)
        .limit(1)
    )
    # Not which: it may be private.
    if copied is not None:
        raise NotMintableError(
            "The improved model has the weights of a model that another tenant had before, which "
            "alone can have it minted as an improvement. If that registration was a mistake, its "
            "owner withdraws it."
        )


async def _require_holders_benchmark(
    session: AsyncSession,
    improvement: Improvement,
    evidence: Evidence,
    approvals: Approvals | None,
) -> None:
    """The holder of the token says on which test set its model is measured, not an improver.

    By registering the benchmark, or by approving the improvement whose registration names it.
    """
    benchmark_id = evidence.benchmark["benchmark_id"]
    registered = improvement.model.evaluation or {"benchmark": {"benchmark_id": None}}
    is_approved = approvals is not None and approvals.is_of_model
    if is_approved and registered["benchmark"]["benchmark_id"] == benchmark_id:
        return
    benchmark = await session.get(Benchmark, benchmark_id)
    if benchmark is None or benchmark.tenant != improvement.token.tenant:
        raise NotMintableError(
            f"The benchmark {benchmark_id} is not one of the holder of the token id "
            f"{improvement.token.symbol!r}. Evaluate the improvement on a benchmark that the "
            "holder registered, or register it with its evaluation, and ask the holder to approve "
            "it."
        )
