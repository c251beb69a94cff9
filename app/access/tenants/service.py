"""Making and finding tenants."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.tenants.models import Tenant
from app.access.tenants.names import tenant_name, workspace_for
from app.core.request.actor import Actor


async def ensure(session: AsyncSession, name: str, actor: Actor) -> tuple[Tenant, bool]:
    """The tenant of that name and whether it is new, made now if need be; any number may race.

    Raises UnprocessableError for a name that is not a tenant's.
    """
    name = tenant_name(name)
    made = await session.scalar(
        insert(Tenant)
        .values(name=name, workspace=workspace_for(name))
        .on_conflict_do_nothing()
        .returning(Tenant.name)
    )
    if made is not None:
        record(session, actor, "tenant.created", name, name)
    return (
        await session.scalars(select(Tenant).where(Tenant.name == name))
    ).one(), made is not None


async def page(session: AsyncSession, *, after: str | None, limit: int) -> Sequence[Tenant]:
    """Tenants by name, one more than `limit` where there are more."""
    query = select(Tenant).order_by(Tenant.name).limit(limit + 1)
    if after is not None:
        query = query.where(Tenant.name > after)
    return (await session.scalars(query)).all()
