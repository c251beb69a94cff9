"""Writing and reading contributions."""

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


class AttestationsFor(Protocol):
    """The attestations that name a contributor; the attestations' service implements it."""

    async def __call__(
        self, session: AsyncSession, address: str, principal: Principal
    ) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Improved:
    """The model that contributions were made for."""

    model_id: str
    baseline_model_id: str
    tenant: str
    private: bool
    improvements: Mapping[str, float]
    at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """All that a contributor gave, as far as the caller may see it.

    data_size: samples. deltas: sums over the models of the improvement, by metric.
    """

    contributions: int
    models: int
    data_size: int
    deltas: dict[str, float]
    first_at: datetime
    last_at: datetime


async def add(session: AsyncSession, improved: Improved, shares: Sequence[Share]) -> None:
    """Write down who contributed to a model, in the transaction that records the model."""
    # In a fixed order, so that two registrations cannot wait for each other.
    for address in sorted({share.address for share in shares}):
        await session.execute(
            insert(Contributor)
            .values(address=address, first_at=improved.at)
            .on_conflict_do_nothing()
        )
    session.add_all(
        Contribution(
            model_id=improved.model_id,
            baseline_model_id=improved.baseline_model_id,
            tenant=improved.tenant,
            private=improved.private,
            address=share.address,
            weight_bps=share.weight_bps,
            data_size=share.data_size,
            data_hash=share.data_hash or "",
            details=share.details,
            improvements=dict(improved.improvements),
            created_at=improved.at,
        )
        for share in shares
    )


async def totals(session: AsyncSession, address: str, principal: Principal) -> Totals | None:
    """What an address contributed; None where there is nothing that the caller may see."""
    theirs = _visible(address, principal)
    counted = select(
        func.count(),
        func.count(Contribution.model_id.distinct()),
        func.coalesce(func.sum(Contribution.data_size), 0),
        func.min(Contribution.created_at),
        func.max(Contribution.created_at),
    ).where(theirs)
    contributions, models, data_size, first_at, last_at = (await session.execute(counted)).one()
    if not contributions:
        return None
    # A model improved once, however many contributions to it a contributor made.
    once = (
        select(Contribution.model_id, Contribution.improvements).where(theirs).distinct().subquery()
    )
    each = func.jsonb_each_text(once.c.improvements).table_valued("key", "value")
    summed = (
        select(each.c.key, func.sum(cast(each.c.value, Numeric)))
        .select_from(once.join(each, true()))
        .group_by(each.c.key)
        .order_by(each.c.key)
    )
    return Totals(
        contributions=contributions,
        models=models,
        data_size=int(data_size or 0),
        deltas={name: float(value) for name, value in await session.execute(summed)},
        first_at=first_at,
        last_at=last_at,
    )


async def page(
    session: AsyncSession,
    address: str,
    principal: Principal,
    *,
    before: int | None,
    limit: int,
) -> Sequence[Contribution]:
    """The contributions of an address, newest first, one more than `limit` where there are more."""
    query = (
        select(Contribution)
        .where(_visible(address, principal))
        .order_by(Contribution.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(Contribution.id < before)
    return (await session.scalars(query)).all()


def _visible(address: str, principal: Principal) -> ColumnElement[Any]:
    return (Contribution.address == address) & or_(
        ~Contribution.private, Contribution.tenant == principal.tenant
    )
