"""Recording contributions, and reading them by contributor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Numeric, cast, func, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.contributors.models import Contribution, Contributor
from app.control_plane.contributors.shares import Share
from app.core.request.principal import Principal


class AttestationsByContributor(Protocol):
    """The hashes of the attestations that name a contributor, oldest first.

    The attestations package, which is above this one, implements it.
    """

    async def __call__(
        self, session: AsyncSession, address: str, principal: Principal
    ) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class ImprovedModel:
    """The model that contributions were made to.

    improvements: by metric; positive is better, whichever way the metric improves.
    """

    model_id: str
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


async def contributor_totals(
    session: AsyncSession, address: str, principal: Principal
) -> ContributorTotals | None:
    """What an address contributed; None where there is nothing that the principal may see."""
    is_visible = _is_visible(address, principal)
    counts = select(
        func.count(),
        func.count(Contribution.model_id.distinct()),
        func.coalesce(func.sum(Contribution.data_size), 0),
        func.min(Contribution.created_at),
        func.max(Contribution.created_at),
    ).where(is_visible)
    contributions, models, data_size, first_at, last_at = (await session.execute(counts)).one()
    if not contributions:
        return None
    # A model's improvement counts once, however many contributions to it an address made.
    by_model = (
        select(Contribution.model_id, Contribution.improvements)
        .where(is_visible)
        .distinct()
        .subquery()
    )
    metric = func.jsonb_each_text(by_model.c.improvements).table_valued("key", "value")
    sums = (
        select(metric.c.key, func.sum(cast(metric.c.value, Numeric)))
        .select_from(by_model.join(metric, true()))
        .group_by(metric.c.key)
        .order_by(metric.c.key)
    )
    return ContributorTotals(
        contributions=contributions,
        models=models,
        data_size=int(data_size or 0),
        deltas={name: float(value) for name, value in await session.execute(sums)},
        first_at=first_at,
        last_at=last_at,
    )


async def list_contributions(
    session: AsyncSession,
    address: str,
    principal: Principal,
    *,
    before: int | None,
    limit: int,
) -> Sequence[Contribution]:
    """The contributions of an address, newest first: one more than `limit` if there are more.

    before: the id of the last contribution of the page before.
    """
    query = (
        select(Contribution)
        .where(_is_visible(address, principal))
        .order_by(Contribution.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(Contribution.id < before)
    return (await session.scalars(query)).all()


def _is_visible(address: str, principal: Principal) -> ColumnElement[Any]:
    """SQL: the contributions of an address that a principal may see."""
    return (Contribution.address == address) & or_(
        ~Contribution.private, Contribution.tenant == principal.tenant
    )
