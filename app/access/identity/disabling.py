"""Disables and enables a tenant: an admin's way to stop all of its credentials at once."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.credential_cache import DISABLED, ENABLED, notify_changed
from app.access.identity.sessions import service as sessions
from app.access.tenants import service as tenants
from app.access.tenants.models import Tenant
from app.access.tenants.names import is_wallet, tenant_name
from app.core.errors import ConflictError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now


async def disable(
    session: AsyncSession, name: str, actor: Actor, *, admin: Principal | None = None
) -> Tenant:
    """Refuse every key, token, wallet and session of a tenant; its sessions end. Idempotent.

    name: also the address of a wallet that has sent no request yet, whose tenant is created.
    admin: who asks for it; None for the command line. Raises NotFoundError, and ConflictError for
    the admin's own tenant, which nobody might be left to enable.
    """
    if is_wallet(tenant_name(name)):
        await tenants.ensure(session, name, actor)
    tenant = await tenants.get(session, name, lock=True)
    if admin is not None and tenant.name == admin.tenant:
        raise ConflictError(
            f"{tenant.name} is the tenant of your own credential. Disable it with a key of another "
            "tenant, or with `hokusai-gateway tenants disable`."
        )
    if tenant.disabled_at is None:
        tenant.disabled_at = now()
        ended = await sessions.end_all_of_tenant(session, tenant.name, actor)
        record(session, actor, "tenant.disabled", tenant.name, tenant.name, sessions=ended)
        await notify_changed(session, DISABLED + tenant.name)
    return tenant


async def enable(session: AsyncSession, name: str, actor: Actor) -> Tenant:
    """Accept the keys, tokens and wallets of a tenant again. Idempotent. Raises NotFoundError."""
    tenant = await tenants.get(session, name, lock=True)
    if tenant.disabled_at is not None:
        tenant.disabled_at = None
        record(session, actor, "tenant.enabled", tenant.name, tenant.name)
        await notify_changed(session, ENABLED + tenant.name)
    return tenant
