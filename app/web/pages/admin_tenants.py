"""The pages of all tenants and their quotas, for admins."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.access.quotas import endpoints as quota_endpoints
from app.access.quotas.models import QuotaKind
from app.access.quotas.schemas import QuotasRequest
from app.access.tenants import endpoints as tenant_endpoints
from app.access.tenants import service as tenants
from app.access.tenants.schemas import TenantName, TenantRequest
from app.rest.dependencies import Admin, ChangeSession, CurrentActor, Session
from app.rest.pagination import Cursor, PageSize
from app.web.forms import Search, see_other, validated, whole
from app.web.pages.admin_form import AdminForm
from app.web.rendering import page, paging

router = APIRouter(prefix="/admin/tenants", include_in_schema=False)


class TenantsQuery(Search):
    """One page of the list."""

    cursor: Cursor = None
    limit: PageSize = 50


@router.get("")
async def list_tenants(
    request: Request, admin: Admin, session: Session, asked: Annotated[TenantsQuery, Query()]
) -> Response:
    """The tenants, and a form for a new one."""
    found = await tenant_endpoints.list_tenants(admin, session, asked.cursor, asked.limit)
    return page(
        request,
        "admin/tenants.html",
        tenants=found.items,
        **paging(asked.cursor, found.next),
    )


@router.post("")
async def create_tenant(
    request: Request, admin: Admin, form: AdminForm, actor: CurrentActor
) -> Response:
    """Create a tenant and its MLflow workspace."""
    body = validated(TenantRequest, {"name": form.get("name", "")})
    made = await tenant_endpoints.create_tenant(request, body, admin, actor)
    return see_other(_path(made.name))


@router.get("/{name}")
async def show_tenant(
    request: Request, name: TenantName, admin: Admin, session: Session
) -> Response:
    """One tenant, and its quotas."""
    tenant = await tenants.get(session, name)
    quotas = await quota_endpoints.show_quotas(request, name, admin, session)
    return page(
        request,
        "admin/tenant.html",
        tenant=tenant_endpoints.view(tenant, ready=tenant.default_experiment is not None),
        quotas=quotas.quotas,
    )


@router.post("/{name}/quotas")
async def change_quotas(
    request: Request,
    name: TenantName,
    admin: Admin,
    form: AdminForm,
    session: ChangeSession,
    actor: CurrentActor,
) -> Response:
    """Change the quotas whose fields are in the form; an empty one is the default."""
    known = {kind.value for kind in QuotaKind}
    asked = {field: whole(form[field]) for field in form if field in known}
    body = validated(QuotasRequest, asked)
    changed = await quota_endpoints.change_quotas(request, name, body, admin, session, actor)
    return see_other(_path(changed.tenant))


def _path(name: str) -> str:
    return f"/admin/tenants/{quote(name, safe='')}"
