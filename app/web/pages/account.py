"""The page on which one sees who one is, and manages own keys and sessions."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.access.identity import key_endpoints
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.key_listing import newest_keys
from app.access.identity.key_views import view
from app.access.identity.models import APIKey
from app.access.identity.schemas import KeyRequest, OwnRotateRequest, SIWEProof
from app.access.identity.sessions import endpoints as session_endpoints
from app.access.identity.sessions.dependencies import CurrentSignIns, CurrentSite
from app.access.identity.sessions.schemas import AdminRequest
from app.access.quotas import endpoints as limit_endpoints
from app.core.errors import PermissionDeniedError
from app.core.request.principal import Scope
from app.rest.dependencies import Caller, ChangeSession, CurrentActor, Session
from app.rest.fields import Label
from app.web.forms import own_form, see_other, validated, whole
from app.web.next_page import Next, next_page
from app.web.pages.key_forms import OVERLAPS, USUAL_OVERLAP, show_once
from app.web.rendering import page

router = APIRouter(prefix="/account", include_in_schema=False)

# Keys on a page.
MOST_KEYS = 100
# How long a new key may live, in days.
LIFETIMES = (1, 7, 30, 90)
KEYS = "/account#keys"


async def _form(request: Request, caller: Caller) -> dict[str, str]:
    return await own_form(request, caller)


Form = Annotated[dict[str, str], Depends(_form)]


@router.get("")
async def show_account(
    request: Request,
    caller: Caller,
    session: Session,
    before: Label | None = None,
    following: Next = None,
) -> Response:
    """Who one is, one's limits, keys and sessions.

    before: the last key of the page before. following: where one wanted to act as an admin.
    """
    if caller.session is None:
        raise PermissionDeniedError(
            "This page is for people who have signed in. Programs have /api/auth/whoami, "
            "/api/limits, /api/keys and /api/auth/sessions."
        )
    own = await newest_keys(session, caller.id, MOST_KEYS + 1, before=before)
    shown = [view(key) for key in own[:MOST_KEYS]]
    older = shown[-1].id if len(own) > MOST_KEYS else None
    shown.sort(key=lambda key: key.state != "active")
    key = await session.get(APIKey, caller.credential)
    sessions = await session_endpoints.list_sessions(caller, session)
    return page(
        request,
        "account.html",
        me=caller,
        limits=await limit_endpoints.limits(request, caller, session),
        keys=shown,
        before=before,
        older=older,
        next_page=next_page(following) if following else None,
        sessions=sessions.items,
        current=next(one for one in sessions.items if one.is_current),
        may_be_admin=key is not None and Scope.ADMIN in key.scopes,
        scopes=[scope for scope in Scope if scope in caller.scopes],
        overlaps=OVERLAPS,
        usual_overlap=USUAL_OVERLAP,
        lifetimes=LIFETIMES,
    )


@router.post("/keys")
async def create_key(
    request: Request,
    form: Form,
    caller: Caller,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> Response:
    """Create a key, and show its secret once."""
    chosen = [scope for scope in Scope if f"scope-{scope}" in form]
    asked: dict[str, Any] = {"name": form.get("name", ""), "siwe": _siwe(form)}
    if chosen:
        asked["scopes"] = chosen
    if form.get("days"):
        asked["expires_in_days"] = whole(form["days"])
    body = validated(KeyRequest, asked)
    made = await key_endpoints.create_own_key(request, body, caller, peppers, actor)
    return show_once(request, "new_key.html", made, done=KEYS)


@router.post("/keys/{key_id}/rotate")
async def rotate_key(
    request: Request,
    key_id: Label,
    form: Form,
    caller: Caller,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> Response:
    """Replace a key, and show the secret of its successor once."""
    asked = {"overlap_seconds": whole(form.get("overlap", "")), "siwe": _siwe(form)}
    body = validated(OwnRotateRequest, asked)
    made = await key_endpoints.rotate_own_key(request, key_id, caller, peppers, actor, body)
    return show_once(
        request,
        "new_key.html",
        made,
        done=KEYS,
        replaced=key_id,
        ends_session=key_id == caller.credential,
    )


@router.post("/keys/{key_id}/revoke")
async def revoke_key(
    request: Request,
    key_id: Label,
    _: Form,
    caller: Caller,
    session: ChangeSession,
    actor: CurrentActor,
) -> Response:
    """Revoke a key, and those that were created with it."""
    await key_endpoints.revoke_own_key(request, key_id, caller, session, actor)
    return _back("keys")


@router.post("/sessions/end-others")
async def end_other_sessions(
    _: Form, caller: Caller, session: ChangeSession, actor: CurrentActor, site: CurrentSite
) -> Response:
    """End all sessions but that of the request."""
    await session_endpoints.end_sessions(Response(), caller, session, actor, site, others=True)
    return _back("sessions")


@router.post("/sessions/{session_id}/end")
async def end_session(
    session_id: Label,
    _: Form,
    caller: Caller,
    session: ChangeSession,
    actor: CurrentActor,
    site: CurrentSite,
) -> Response:
    """End a session."""
    response = _back("sessions")
    await session_endpoints.end_session(response, session_id, caller, session, actor, site)
    return response


@router.post("/admin")
async def start_admin(
    request: Request, form: Form, caller: Caller, sign_ins: CurrentSignIns, actor: CurrentActor
) -> Response:
    """Act as an admin, with the key of the session in the form."""
    body = validated(AdminRequest, {"key": form.get("key", "")})
    await session_endpoints.start_admin(request, body, caller, sign_ins, actor)
    return see_other(next_page(form["next"])) if form.get("next") else _back("admin")


@router.post("/admin/end")
async def end_admin(
    _: Form, caller: Caller, session: ChangeSession, actor: CurrentActor
) -> Response:
    """No longer act as an admin."""
    await session_endpoints.end_admin(caller, session, actor)
    return _back("admin")


def _siwe(form: dict[str, str]) -> SIWEProof | None:
    """The wallet's message that a script has put into the form, if it has."""
    if not form.get("siwe-signature"):
        return None
    # A form has CR LF for each line break.
    message = form.get("siwe-message", "").replace("\r\n", "\n")
    return validated(SIWEProof, {"message": message, "signature": form["siwe-signature"]})


def _back(section: str) -> Response:
    return see_other(f"/account#{section}")
