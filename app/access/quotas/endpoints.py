"""The endpoints that show the caller's limits, and that show and change a tenant's quotas."""

from fastapi import APIRouter, Request

from app.access.quotas.models import QuotaKind
from app.access.quotas.schemas import LimitsView, QuotasRequest, QuotasView
from app.access.quotas.service import Quotas
from app.access.rate_limits.limiter import Limiter
from app.access.tenants import service as tenants
from app.access.tenants.schemas import TenantName
from app.core.app_state import state_of
from app.core.errors import UnprocessableError
from app.core.request.context import context_of
from app.rest.dependencies import Admin, Caller, ChangeSession, CurrentActor, Session

router = APIRouter(prefix="/api", tags=["limits"])
admin_router = APIRouter(prefix="/api", tags=["admin"])


@router.get("/limits")
async def limits(request: Request, caller: Caller, session: Session) -> LimitsView:
    """Show the caller's rate limit, as the RateLimit-* headers do, and its tenant's quotas."""
    limiter = state_of(request)[Limiter]
    state = context_of(request.scope).limit_state
    assert state is not None  # set by the middleware RateLimit for every principal
    is_wallet = caller.address is not None
    return LimitsView(
        limit=state.limit,
        remaining=state.remaining,
        reset=state.reset_seconds,
        window=limiter.principal.window,
        session_limit=limiter.sessions.amount,
        address_limit=limiter.wallets.amount if is_wallet else None,
        creation_limit=limiter.creations.amount if is_wallet else None,
        quotas=await state_of(request)[Quotas].views(session, caller.tenant),
    )


@admin_router.get("/admin/tenants/{name}/quotas")
async def show_quotas(request: Request, name: TenantName, _: Admin, session: Session) -> QuotasView:
    """Show how much a tenant has and may have."""
    tenant = await tenants.get(session, name)
    views = await state_of(request)[Quotas].views(session, tenant.name)
    return QuotasView(tenant=tenant.name, quotas=views)


@admin_router.patch("/admin/tenants/{name}/quotas")
async def change_quotas(
    request: Request,
    name: TenantName,
    body: QuotasRequest,
    _: Admin,
    session: ChangeSession,
    actor: CurrentActor,
) -> QuotasView:
    """Change quotas of a tenant. A quota below what it has removes nothing."""
    changes = requested(body)
    tenant = await tenants.get(session, name)
    quotas = state_of(request)[Quotas]
    views = await quotas.change(session, actor, tenant.name, changes)
    return QuotasView(tenant=tenant.name, quotas=views)


def requested(body: QuotasRequest) -> dict[QuotaKind, int | None]:
    """The quotas that a request names. Raises UnprocessableError if it names none."""
    if not body.model_fields_set:
        raise UnprocessableError(
            f"No quota is named. Possible here: {', '.join(kind.value for kind in QuotaKind)}."
        )
    return {QuotaKind(name): getattr(body, name) for name in body.model_fields_set}
