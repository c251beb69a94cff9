"""Counts what each tenant keeps, in the transaction that writes or removes it."""

from collections.abc import Mapping

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.quotas.models import QuotaKind, TenantQuota
from app.database import direct
from app.database.reads import Statement


async def add(
    session: AsyncSession, tenant: str, kind: QuotaKind, amount: int = 1
) -> tuple[int, int | None]:
    """Count new rows: how many the tenant has with them, and its own quota (None: the default).

    Other transactions that count the same wait for the end of this one, so the number is exact.
    """
    statement = insert(TenantQuota).values(tenant=tenant, kind=kind.value, used=amount)
    counted = await session.execute(
        statement.on_conflict_do_update(
            index_elements=[TenantQuota.tenant, TenantQuota.kind],
            set_={"used": TenantQuota.used + statement.excluded.used},
        ).returning(TenantQuota.used, TenantQuota.quota)
    )
    used, quota = counted.one()
    return used, quota


_ADD_ALL = Statement(
    text(
        "insert into tenant_quotas (tenant, kind, used)"
        " select tenant, cast(:kind as text), amount"
        " from unnest(cast(:tenants as text[]), cast(:amounts as bigint[]))"
        " as added (tenant, amount)"
        " on conflict (tenant, kind) do update set used = tenant_quotas.used + excluded.used"
        " returning tenant, used, quota"
    )
)


async def add_all(
    session: AsyncSession, kind: QuotaKind, amounts: Mapping[str, int]
) -> dict[str, tuple[int, int | None]]:
    """The same as `add` for several tenants. amounts: the numbers of new rows by tenant."""
    # In a fixed order, so that two transactions cannot deadlock.
    tenants = sorted(amounts)
    rows = await direct.run(
        session,
        _ADD_ALL,
        kind=kind.value,
        tenants=tenants,
        amounts=[amounts[one] for one in tenants],
    )
    return {tenant: (used, quota) for tenant, used, quota in rows}


async def remove(session: AsyncSession, kind: QuotaKind, amounts: Mapping[str, int]) -> None:
    """Count removed rows. amounts: their number by tenant."""
    # In a fixed order, so that two transactions cannot deadlock.
    for tenant, amount in sorted(amounts.items()):
        await session.execute(
            update(TenantQuota)
            .where(TenantQuota.tenant == tenant, TenantQuota.kind == kind.value)
            .values(used=func.greatest(0, TenantQuota.used - amount))
        )


async def of_tenant(session: AsyncSession, tenant: str) -> dict[str, TenantQuota]:
    """What a tenant has and may have, by kind; a kind that it never used has no row."""
    rows = await session.scalars(select(TenantQuota).where(TenantQuota.tenant == tenant))
    return {row.kind: row for row in rows}


async def set_quota(session: AsyncSession, tenant: str, kind: QuotaKind, quota: int | None) -> None:
    """Give a tenant a quota of its own; None for the default."""
    await session.execute(
        insert(TenantQuota)
        .values(tenant=tenant, kind=kind.value, used=0, quota=quota)
        .on_conflict_do_update(
            index_elements=[TenantQuota.tenant, TenantQuota.kind], set_={"quota": quota}
        )
    )
