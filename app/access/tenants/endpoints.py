"""Tenants over HTTP, for admins."""

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
from app.rest.pagination import Cursor, Page, PageSize, decode_cursor, encode_cursor

router = APIRouter(prefix="/api", tags=["admin"])


@router.post("/admin/tenants", status_code=status.HTTP_201_CREATED)
async def create_tenant(
    request: Request, body: TenantRequest, _: Admin, actor: CurrentActor
) -> TenantView:
    """Make a tenant and its MLflow workspace; if MLflow is away, the first use makes that."""
    database = state_of(request)[Database]
    workspaces = state_of(request)[Workspaces]
    async with database.transaction() as session:
        tenant, is_new = await service.ensure(session, body.name, actor)
    if not is_new:
        raise ConflictError(f"There is a tenant {body.name!r} already.")
    await workspaces.try_prepare(tenant.name, actor)
    return view(tenant, ready=workspaces.known(tenant.name) is not None)


@router.get("/admin/tenants")
async def list_tenants(
    _: Admin,
    session: Session,
    cursor: Cursor = None,
    limit: Annotated[PageSize, Query()] = 100,
) -> Page[TenantView]:
    """All tenants, by name."""
    found = await service.page(
        session, after=decode_cursor(cursor) if cursor else None, limit=limit
    )
    more = encode_cursor(found[limit - 1].name) if len(found) > limit else None
    items = [view(tenant, ready=tenant.default_experiment is not None) for tenant in found[:limit]]
    return Page(items=items, next=more)


def view(tenant: Tenant, *, ready: bool) -> TenantView:
    return TenantView(
        name=tenant.name, workspace=tenant.workspace, ready=ready, created_at=tenant.created_at
    )
