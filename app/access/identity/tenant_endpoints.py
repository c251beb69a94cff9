"""The endpoint that disables and enables a tenant, for admins."""

from fastapi import APIRouter

from app.access.identity import disabling
from app.access.tenants.endpoints import view
from app.access.tenants.schemas import TenantChange, TenantName, TenantView
from app.rest.dependencies import Admin, ChangeSession, CurrentActor

router = APIRouter(prefix="/api", tags=["admin"])


@router.patch("/admin/tenants/{name}")
async def change_tenant(
    name: TenantName, body: TenantChange, admin: Admin, session: ChangeSession, actor: CurrentActor
) -> TenantView:
    """Disable or enable a tenant. Every gateway applies it within a second."""
    if body.disabled:
        tenant = await disabling.disable(session, name, actor, admin=admin)
    else:
        tenant = await disabling.enable(session, name, actor)
    return view(tenant, ready=tenant.default_experiment is not None)
