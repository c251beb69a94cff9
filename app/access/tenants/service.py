"""Creates and lists tenants."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.tenants.models import Tenant
from app.access.tenants.names import tenant_name, workspace_for
from app.core.errors import NotFoundError
from app.core.request.actor import Actor


async def ensure(session: AsyncSession, name: str, actor: Actor) -> tuple[Tenant, bool]:
    """Return the tenant of a name, created if it does not exist, and whether it is new.

    Safe to call concurrently. Raises UnprocessableError for a name that is not valid.
    """
    name = tenant_name(name)
    inserted = await session.scalar(
        insert(Tenant)
        .values(name=name, workspace=workspace_for(name))
        .on_conflict_do_nothing()
        .returning(Tenant.name)
    )
    is_new = inserted is not None
    if is_new:
        record(session, actor, "tenant.created", name, name)
    tenant = (await session.scalars(select(Tenant).where(Tenant.name == name))).one()
    return tenant, is_new


async def get(session: AsyncSession, name: str, *, lock: bool = False) -> Tenant:
    """A tenant by its name, in any form. lock: lock its row.

    Raises NotFoundError and UnprocessableError.
    """
    tenant = await session.get(Tenant, tenant_name(name), with_for_update=lock)
    if tenant is None:
        raise NotFoundError(f"There is no tenant {name!r}. GET /api/admin/tenants lists them.")
    return tenant


async def list_tenants(session: AsyncSession, *, after: str | None, limit: int) -> Sequence[Tenant]:
    """Tenants ordered by name; one more than `limit` if there are more.

    after: only tenants whose names come after this one.
    """
    query = select(Tenant).order_by(Tenant.name).limit(limit + 1)
    if after is not None:
        query = query.where(Tenant.name > after)
    return (await session.scalars(query)).all()
