"""The pages of all tenants and their quotas, for admins."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.access.identity.tenant_endpoints import change_tenant
from app.access.quotas import endpoints as quota_endpoints
from app.access.quotas.models import QuotaKind
from app.access.quotas.schemas import QuotasRequest
from app.access.tenants import endpoints as tenant_endpoints
from app.access.tenants import service as tenants
from app.access.tenants.schemas import TenantChange, TenantName, TenantRequest
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.rest.dependencies import Admin, ChangeSession, CurrentActor, Session
from app.web.forms import ListSearch, see_other, validated, whole
from app.web.pages.admin_form import AdminForm
from app.web.rendering import page, paging

router = APIRouter(prefix="/admin/tenants", include_in_schema=False)

# Before the name of a quota: the field with what the form showed.
SHOWN = "shown-"


@router.get("")
async def list_tenants(
    request: Request, admin: Admin, session: Session, asked: Annotated[ListSearch, Query()]
) -> Response:
    """The tenants, and a form for a new one."""
    found = await tenant_endpoints.list_tenants(admin, session, asked.cursor, asked.limit)
    return page(
        request,
        "admin/tenants.html",
        tenants=found.items,
        **paging(asked, found.next),
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
        shown=SHOWN,
        is_own=tenant.name == admin.tenant,
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
    """Change the quotas whose fields were changed in the form; an empty one is the default.

    The form has what it showed as well, so that it does not undo what another admin has changed.
    """
    known = {kind.value for kind in QuotaKind}
    asked = {
        field: whole(text)
        for field, text in form.items()
        if field in known and text != form.get(f"{SHOWN}{field}")
    }
    if not asked:
        return see_other(_path(name))
    body = validated(QuotasRequest, asked)
    changed = await quota_endpoints.change_quotas(request, name, body, admin, session, actor)
    return see_other(_path(changed.tenant))


@router.post("/{name}/disable")
async def disable_tenant(
    name: TenantName, admin: Admin, form: AdminForm, session: ChangeSession, actor: CurrentActor
) -> Response:
    """Refuse the tenant's credentials."""
    return await _change(name, admin, session, actor, disabled=True)


@router.post("/{name}/enable")
async def enable_tenant(
    name: TenantName, admin: Admin, form: AdminForm, session: ChangeSession, actor: CurrentActor
) -> Response:
    """Accept the tenant's credentials again."""
    return await _change(name, admin, session, actor, disabled=False)


async def _change(
    name: str, admin: Principal, session: AsyncSession, actor: Actor, *, disabled: bool
) -> Response:
    body = TenantChange(disabled=disabled)
    changed = await change_tenant(name, body, admin, session, actor)
    return see_other(_path(changed.name))


def _path(name: str) -> str:
    return f"/admin/tenants/{quote(name, safe='')}"
