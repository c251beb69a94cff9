"""Counting what each contributor gave, in the transactions that record it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import collate, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.contributors.models import ContributorTotal
from app.control_plane.contributors.shares import Share
from app.database.direct import Write

# The metrics whose improvements are summed: others can name an address with any metrics.
MAX_DELTAS = 100

Deltas = dict[str, tuple[str, int]]


async def count_contributions(
    session: AsyncSession,
    audience: str,
    shares: Sequence[Share],
    improvements: Mapping[str, float],
    at: datetime,
) -> None:
    """Count the contributions to one new model. improvements: of the model, by metric."""
    for total in await _locked(session, audience, {share.address for share in shares}):
        given = [share for share in shares if share.address == total.address]
        total.contributions += len(given)
        total.models += 1
        total.data_size += sum(share.data_size or 0 for share in given)
        total.deltas = added(total.deltas, improvements)
        total.first_at = min(total.first_at or at, at)
        total.last_at = max(total.last_at or at, at)


async def discount_contributions(
    session: AsyncSession, audience: str, shares: Sequence[Share], improvements: Mapping[str, float]
) -> None:
    """Take back what `count_contributions` counted, except for the times."""
    for total in await _locked(session, audience, {share.address for share in shares}):
        given = [share for share in shares if share.address == total.address]
        total.contributions -= len(given)
        total.models -= 1
        total.data_size -= sum(share.data_size or 0 for share in given)
        total.deltas = removed(total.deltas, improvements)


_COUNT_ATTESTATIONS = (
    "insert into contributor_totals"
    " (address, audience, contributions, models, attestations, data_size, deltas)"
    " select address, audience, 0, 0, attestations, 0, '{}'"
    " from unnest(cast(:addresses as text[]), cast(:audiences as text[]),"
    " cast(:amounts as bigint[])) as counted (address, audience, attestations)"
    " on conflict (address, audience) do update"
    " set attestations = contributor_totals.attestations + excluded.attestations"
)


def attestation_counts(amounts: Mapping[tuple[str, str], int]) -> list[Write]:
    """What counts new attestations. amounts: their numbers by audience and address."""
    # In a fixed order, in each audience that of `_locked`, so that two transactions cannot
    # deadlock.
    ordered = sorted(amounts)
    values = {
        "audiences": [audience for audience, _ in ordered],
        "addresses": [address for _, address in ordered],
        "amounts": [amounts[one] for one in ordered],
    }
    return [Write("counted", _COUNT_ATTESTATIONS, values)]


def added(deltas: Deltas, improvements: Mapping[str, float]) -> Deltas:
    """The deltas with those of one more model; where they are too many, of the metrics with the
    most models."""
    result = dict(deltas)
    for metric, improvement in improvements.items():
        total, models = result.get(metric, ("0", 0))
        result[metric] = (str(Decimal(total) + Decimal(repr(improvement))), models + 1)
    if len(result) > MAX_DELTAS:
        # The sort is stable, so that among equals the earlier ones stay.
        by_models = sorted(result, key=lambda metric: -result[metric][1])
        result = {metric: result[metric] for metric in by_models[:MAX_DELTAS]}
    return result


def removed(deltas: Deltas, improvements: Mapping[str, float]) -> Deltas:
    """The deltas without those of one model."""
    result = dict(deltas)
    for metric, improvement in improvements.items():
        # It may be one of those that were too many.
        if metric in result:
            total, models = result.pop(metric)
            if models > 1:
                result[metric] = (str(Decimal(total) - Decimal(repr(improvement))), models - 1)
    return result


async def _locked(
    session: AsyncSession, audience: str, addresses: set[str]
) -> Sequence[ContributorTotal]:
    if not addresses:
        return ()
    # In a fixed order, so that two transactions cannot deadlock.
    values = [{"address": address, "audience": audience} for address in sorted(addresses)]
    await session.execute(insert(ContributorTotal).on_conflict_do_nothing(), values)
    query = (
        select(ContributorTotal)
        .where(ContributorTotal.audience == audience, ContributorTotal.address.in_(addresses))
        # In that of Python, whatever the order of texts in the database is.
        .order_by(collate(ContributorTotal.address, "C"))
        .with_for_update()
    )
    return (await session.scalars(query)).all()
