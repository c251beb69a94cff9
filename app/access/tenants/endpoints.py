"""The endpoints that create and list tenants, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, status

from app.access.tenants import service
from app.access.tenants.models import Tenant
from app.access.tenants.schemas import TenantRequest, TenantView
from app.access.tenants.workspaces import Workspaces
from app.core.app_state import state_of
from app.core.errors import ConflictError
from app.database.engine import Database
from app.rest.dependencies import Admin, CurrentActor, Session
from app.rest.pagination import Cursor, Page, PageSize, decode_cursor

router = APIRouter(prefix="/api", tags=["admin"])


@router.post("/admin/tenants", status_code=status.HTTP_201_CREATED)
async def create_tenant(
    request: Request, body: TenantRequest, _: Admin, actor: CurrentActor
) -> TenantView:
    """Create a tenant and its MLflow workspace.

    While MLflow is unavailable, only the tenant is created; its first request creates the
    workspace.
    """
    database = state_of(request)[Database]
    workspaces = state_of(request)[Workspaces]
    async with database.transaction() as session:
        tenant, is_new = await service.ensure(session, body.name, actor)
    if not is_new:
        raise ConflictError(f"The tenant {body.name!r} already exists.")
    await workspaces.try_ensure(tenant.name, actor)
    return view(tenant, ready=workspaces.cached(tenant.name) is not None)


@router.get("/admin/tenants")
async def list_tenants(
    _: Admin,
    session: Session,
    cursor: Cursor = None,
    limit: Annotated[PageSize, Query()] = 100,
) -> Page[TenantView]:
    """List all tenants, ordered by name."""
    found = await service.list_tenants(
        session, after=decode_cursor(cursor) if cursor else None, limit=limit
    )
    return Page.of(
        found,
        limit,
        key=lambda tenant: tenant.name,
        view=lambda tenant: view(tenant, ready=tenant.default_experiment is not None),
    )


def view(tenant: Tenant, *, ready: bool) -> TenantView:
    """ready: whether the tenant's MLflow workspace has been created."""
    return TenantView(
        name=tenant.name,
        workspace=tenant.workspace,
        ready=ready,
        created_at=tenant.created_at,
        disabled_at=tenant.disabled_at,
    )
