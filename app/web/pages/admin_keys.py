"""The pages of all API keys, for admins."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.access.identity import key_endpoints
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.key_listing import load_keys
from app.access.identity.key_views import view
from app.access.identity.models import APIKey
from app.access.identity.schemas import AdminKeyRequest, KeyChange, RotateRequest
from app.core.app_state import state_of
from app.core.errors import NotFoundError
from app.core.request.principal import Scope
from app.core.settings import Settings
from app.rest.dependencies import Admin, ChangeSession, CurrentActor, CurrentReads, Session
from app.rest.fields import Label
from app.web.forms import ListSearch, see_other, validated, whole
from app.web.pages.admin_form import AdminForm
from app.web.pages.key_forms import OVERLAPS, USUAL_OVERLAP, show_once
from app.web.rendering import page, paging

router = APIRouter(prefix="/admin/keys", include_in_schema=False)

# How long a new key may live, in days.
LIFETIMES = (1, 7, 30, 90, 365)
USUAL = AdminKeyRequest.model_fields["scopes"].default


class KeySearch(ListSearch):
    """The conditions of the API."""

    tenant: Label | None = None
    principal: Label | None = None


@router.get("")
async def list_keys(
    request: Request, _: Admin, reads: CurrentReads, asked: Annotated[KeySearch, Query()]
) -> Response:
    """The keys, and a form for a new one."""
    found, following = await load_keys(reads, **asked.model_dump())
    return page(
        request,
        "admin/keys.html",
        keys=found,
        asked=asked,
        scopes=list(Scope),
        usual=USUAL,
        lifetimes=LIFETIMES,
        default_limit=state_of(request)[Settings].rate_limit,
        **paging(asked, following),
    )


@router.post("")
async def create_key(
    request: Request,
    admin: Admin,
    form: AdminForm,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> Response:
    """Create a key, and show its secret once."""
    asked: dict[str, Any] = {
        "name": form.get("name", ""),
        "tenant": form.get("tenant", ""),
        "scopes": [scope for scope in Scope if f"scope-{scope}" in form],
        "expires_in_days": whole(form.get("days", "")),
        "rate_limit": whole(form.get("rate_limit", "")),
        "allowed_networks": form.get("networks", "").replace(",", " ").split(),
    }
    body = validated(AdminKeyRequest, asked)
    made = await key_endpoints.create_key(request, body, admin, session, peppers, actor)
    return show_once(request, "admin/new_key.html", made, done=f"/admin/keys/{made.id}")


@router.get("/{key_id}")
async def show_key(request: Request, key_id: Label, _: Admin, session: Session) -> Response:
    """One key, and what can be done with it."""
    key = await session.get(APIKey, key_id)
    if key is None:
        raise NotFoundError("There is no key with this id.")
    return page(
        request,
        "admin/key.html",
        key=view(key),
        overlaps=OVERLAPS,
        usual_overlap=USUAL_OVERLAP,
        default_limit=state_of(request)[Settings].rate_limit,
    )


@router.post("/{key_id}/rotate")
async def rotate_key(
    request: Request,
    key_id: Label,
    admin: Admin,
    form: AdminForm,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> Response:
    """Replace a key, and show the secret of its successor once."""
    body = validated(RotateRequest, {"overlap_seconds": whole(form.get("overlap", ""))})
    made = await key_endpoints.rotate_key(key_id, admin, session, peppers, actor, body)
    return show_once(
        request, "admin/new_key.html", made, done=f"/admin/keys/{made.id}", replaced=key_id
    )


@router.post("/{key_id}/limit")
async def change_limit(
    request: Request,
    key_id: Label,
    admin: Admin,
    form: AdminForm,
    session: ChangeSession,
    actor: CurrentActor,
) -> Response:
    """Change the rate limit of a key; an empty field is the default."""
    body = validated(KeyChange, {"rate_limit": whole(form.get("rate_limit", ""))})
    await key_endpoints.change_key(request, key_id, body, admin, session, actor)
    return see_other(f"/admin/keys/{key_id}")


@router.post("/{key_id}/revoke")
async def revoke_key(
    key_id: Label,
    admin: Admin,
    form: AdminForm,
    session: ChangeSession,
    actor: CurrentActor,
) -> Response:
    """Revoke a key, those that were created with it, and its rotations if that is ticked."""
    chain = "rotation_chain" in form
    await key_endpoints.revoke_key(key_id, admin, session, actor, rotation_chain=chain)
    return see_other(f"/admin/keys/{key_id}")
