"""The row of an improvement among the mint requests: one for each candidate."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.minting.authorization import AuthorizedMint
from app.control_plane.minting.mint_request import idempotency_key
from app.control_plane.minting.models import MintRequest
from app.core.errors import NotMintableError
from app.database.engine import now


def same_candidate(mint: AuthorizedMint) -> Select[MintRequest]:
    """SQL: the mint requests for the same run or the same files, by whichever metric."""
    return select(MintRequest).where(
        or_(
            MintRequest.run_id == mint.data["run_id"],
            MintRequest.candidate_commitment == mint.evidence.candidate,
        )
    )


async def claim(
    session: AsyncSession, mint: AuthorizedMint, domain: Mapping[str, Any]
) -> MintRequest:
    """The row of the improvement, locked; one without signatures where it is new.

    Raises NotMintableError where the same run or the same files have a row for another model
    number, over another baseline, by another metric, or with other files or another run.
    """
    # Two requests for one candidate by different metrics insert rows that do not conflict.
    for part in sorted({mint.data["run_id"], mint.evidence.candidate}):
        key = func.hashtextextended(f"mint of {part}", 0)
        await session.execute(select(func.pg_advisory_xact_lock(key)))
    new = insert(MintRequest).values(
        idempotency_key=idempotency_key(int(mint.chain_model_id), mint.attestation),
        run_id=mint.data["run_id"],
        baseline_commitment=mint.evidence.baseline,
        candidate_commitment=mint.evidence.candidate,
        metric=mint.data["primary_metric"],
        symbol=mint.improvement.token.symbol,
        chain_model_id=mint.chain_model_id,
        tenant=mint.improvement.model.tenant,
        model_id=mint.improvement.model.model_id,
        attestation=mint.attestation,
        typed_data={"domain": dict(domain)},
        digest="",
        signatures=[],
        created_at=now(),
        signed_at=now(),
        deadline=now(),
    )
    # Of several requests at the same time, one inserts, and the others wait for it here.
    await session.execute(new.on_conflict_do_nothing())
    # In one order, so that two of them never wait for each other.
    query = same_candidate(mint).order_by(MintRequest.number).with_for_update()
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    for row in rows:
        is_same = (
            row.run_id,
            row.candidate_commitment,
            row.baseline_commitment,
            row.chain_model_id,
            row.metric,
        ) == (
            mint.data["run_id"],
            mint.evidence.candidate,
            mint.evidence.baseline,
            mint.chain_model_id,
            mint.data["primary_metric"],
        )
        if not is_same:
            raise NotMintableError(
                f"A mint request was signed for this run, or for the same files, and {row.metric} "
                f"already: as the improvement {row.model_id} of the model number "
                f"{row.chain_model_id}. One candidate is minted once."
            )
    (found,) = rows
    return found
