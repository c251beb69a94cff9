"""Recording contributions, and reading them by contributor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.contributors.models import Contribution, Contributor, ContributorTotal
from app.control_plane.contributors.shares import Share
from app.control_plane.contributors.totals import count_contributions, discount_contributions
from app.core.request.principal import Principal
from app.database.engine import now
from app.database.reads import Reads, Statement, columns_of
from app.rest.listing import Listing, by_number, by_text


@dataclass(frozen=True, slots=True)
class ImprovedModel:
    """The model that contributions were made to.

    number: its position in lists.
    improvements: by metric; positive is better, whichever way the metric improves.
    """

    model_id: str
    number: int
    baseline_model_id: str
    tenant: str
    private: bool
    improvements: Mapping[str, float]
    at: datetime


@dataclass(frozen=True, slots=True)
class ContributorTotals:
    """The contributions of one address, summed up over those that the caller may see.

    data_size: the number of samples. deltas: the improvement by metric, summed over the models.
    """

    contributions: int
    models: int
    data_size: int
    deltas: dict[str, float]
    attestations: int
    first_at: datetime
    last_at: datetime


async def record_contributions(
    session: AsyncSession, model: ImprovedModel, shares: Sequence[Share]
) -> None:
    """Record who contributed to a model, in the transaction that records the model."""
    # In a fixed order, so that two registrations cannot deadlock.
    for address in sorted({share.address for share in shares}):
        await session.execute(
            insert(Contributor).values(address=address, first_at=model.at).on_conflict_do_nothing()
        )
    session.add_all(
        Contribution(
            model_id=model.model_id,
            model_number=model.number,
            baseline_model_id=model.baseline_model_id,
            tenant=model.tenant,
            private=model.private,
            address=share.address,
            weight_bps=share.weight_bps,
            data_size=share.data_size,
            data_hash=share.data_hash or "",
            details=share.details,
            improvements=dict(model.improvements),
            created_at=model.at,
        )
        for share in shares
    )
    audience = model.tenant if model.private else ""
    await count_contributions(session, audience, shares, model.improvements, model.at)


_SHARES = (
    select(
        Contribution.address,
        Contribution.weight_bps,
        Contribution.data_size,
        Contribution.data_hash,
        Contribution.details,
    )
    .where(Contribution.model_id == bindparam("model_id"))
    .order_by(Contribution.id)
)
_SHARES_READ = Statement(_SHARES)


async def read_shares(reads: Reads, model_id: str) -> list[Share]:
    """The contributions to one model, with their details, in the order of its registration."""
    return [_share(row) for row in await reads.all(_SHARES_READ, model_id=model_id)]


async def find_shares(session: AsyncSession, model_id: str) -> list[Share]:
    """The same, in a transaction."""
    return [_share(row) for row in await session.execute(_SHARES, {"model_id": model_id})]


def _share(row: Any) -> Share:
    return Share(
        address=row.address,
        weight_bps=row.weight_bps,
        data_size=row.data_size,
        data_hash=row.data_hash or None,
        details=row.details,
    )


_TOTALS = Statement(
    select(*columns_of(ContributorTotal)).where(
        ContributorTotal.address == bindparam("address"),
        ContributorTotal.audience.in_(["", bindparam("own")]),
    )
)


async def withdraw_contributions(
    session: AsyncSession, model_id: str, audience: str, improvements: Mapping[str, float]
) -> None:
    """Count the contributions to a model no longer, since its registration is withdrawn.

    audience: as `ContributorTotal` has it. improvements: of the model, by metric.
    """
    shares = await find_shares(session, model_id)
    await discount_contributions(session, audience, shares, improvements)
    await session.execute(
        update(Contribution).where(Contribution.model_id == model_id).values(withdrawn_at=now())
    )


async def contributor_totals(
    reads: Reads, address: str, principal: Principal
) -> ContributorTotals | None:
    """What an address contributed; None where there is nothing that the principal may see.

    Contributions to models that were withdrawn do not count.
    """
    rows = await reads.all(_TOTALS, address=address, own=principal.tenant)
    given = [row for row in rows if row.contributions]
    if not given:
        return None
    sums: dict[str, Decimal] = {}
    for row in given:
        for metric, (total, _) in row.deltas.items():
            sums[metric] = sums.get(metric, Decimal(0)) + Decimal(total)
    return ContributorTotals(
        contributions=sum(row.contributions for row in given),
        models=sum(row.models for row in given),
        data_size=int(sum(row.data_size for row in given)),
        deltas={metric: float(sums[metric]) for metric in sorted(sums)},
        attestations=sum(row.attestations for row in rows),
        first_at=min(row.first_at for row in given),
        last_at=max(row.last_at for row in given),
    )


# The contributions of one `address`, newest first, that the tenant `own` may see.
CONTRIBUTIONS = Listing(
    by_number(Contribution.id),
    columns_of(Contribution, without=["details"]),
    Contribution.id,
    within=[Contribution.address == bindparam("address")],
    fits=[or_(~Contribution.private, Contribution.tenant == bindparam("own"))],
)

# All contributors that everybody may see.
CONTRIBUTORS = Listing(
    by_text(ContributorTotal.address),
    columns_of(ContributorTotal, without=["deltas"]),
    ContributorTotal.address,
    within=[ContributorTotal.audience == ""],
    fits=[ContributorTotal.contributions > 0],
    rows=[ContributorTotal.audience == ""],
)
