"""The page on which one sees who one is, and manages own keys and sessions."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, status
from pydantic import BaseModel, ValidationError
from starlette.responses import RedirectResponse, Response

from app.access.identity import key_endpoints, keys
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.key_views import view
from app.access.identity.models import APIKey
from app.access.identity.schemas import IssuedKey, KeyRequest, OwnRotateRequest, SIWEProof
from app.access.identity.sessions import endpoints as session_endpoints
from app.access.identity.sessions.dependencies import CurrentSignIns, CurrentSite
from app.access.identity.sessions.schemas import AdminRequest
from app.access.quotas import endpoints as limit_endpoints
from app.core.errors import PermissionDeniedError, SessionChangedError, UnprocessableError
from app.core.request.principal import Scope
from app.core.validation_errors import problems_with
from app.rest.dependencies import Caller, ChangeSession, CurrentActor, Session
from app.rest.fields import Label
from app.web.forms import read_form
from app.web.rendering import page

router = APIRouter(prefix="/account", include_in_schema=False)

M = TypeVar("M", bound=BaseModel)

# Keys on the page; the API lists all of them.
MOST_KEYS = 200
# How long an old key may keep working: in seconds, and for people.
OVERLAPS = (
    (0, "0 s"),
    (3600, "1 h"),
    (86400, "1 day"),
    (7 * 86400, "7 days"),
    (30 * 86400, "30 days"),
)
# How long a new key may live, in days.
LIFETIMES = (1, 7, 30, 90)


async def _form(request: Request, caller: Caller) -> dict[str, str]:
    """The fields of a form of the account page.

    Raises SessionChangedError for one that was shown in another session: a browser has one session
    for all its tabs, and a person who signs in again may still look at a page of the first.
    """
    form = await read_form(request)
    if caller.session is None or form.pop("session", None) != caller.session:
        raise SessionChangedError(
            f"This page was shown in another session than yours now, as {caller.id} of the tenant "
            f"{caller.tenant}. Open /account again, and repeat what you did there if it is right."
        )
    return form


Form = Annotated[dict[str, str], Depends(_form)]


@router.get("")
async def show_account(request: Request, caller: Caller, session: Session) -> Response:
    """Who one is, one's limits, keys and sessions."""
    if caller.session is None:
        raise PermissionDeniedError(
            "This page is for people who have signed in. Programs have /api/auth/whoami, "
            "/api/limits, /api/keys and /api/auth/sessions."
        )
    own = await keys.list_newest(session, caller.id, MOST_KEYS)
    shown = [view(key) for key in own]
    shown.sort(key=lambda key: key.state != "active")
    key = await session.get(APIKey, caller.credential)
    sessions = await session_endpoints.list_sessions(caller, session)
    return page(
        request,
        "account.html",
        me=caller,
        limits=await limit_endpoints.limits(request, caller, session),
        keys=shown,
        sessions=sessions.items,
        current=next(one for one in sessions.items if one.is_current),
        may_be_admin=key is not None and Scope.ADMIN in key.scopes,
        scopes=[scope for scope in Scope if scope in caller.scopes],
        overlaps=OVERLAPS,
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
        asked["expires_in_days"] = _whole(form["days"])
    body = _validated(KeyRequest, asked)
    made = await key_endpoints.create_own_key(request, body, caller, peppers, actor)
    return _show_once(request, made)


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
    asked = {"overlap_seconds": _whole(form.get("overlap", "")), "siwe": _siwe(form)}
    body = _validated(OwnRotateRequest, asked)
    made = await key_endpoints.rotate_own_key(request, key_id, caller, peppers, actor, body)
    return _show_once(request, made, replaced=key_id)


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
    body = _validated(AdminRequest, {"key": form.get("key", "")})
    await session_endpoints.start_admin(request, body, caller, sign_ins, actor)
    return _back("admin")


@router.post("/admin/end")
async def end_admin(
    _: Form, caller: Caller, session: ChangeSession, actor: CurrentActor
) -> Response:
    """No longer act as an admin."""
    await session_endpoints.end_admin(caller, session, actor)
    return _back("admin")


def _validated(schema: type[M], values: dict[str, Any]) -> M:
    """A request of the API, of the fields of a form. Raises UnprocessableError."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = problems_with(schema, error)
        raise UnprocessableError(
            "; ".join(f"{one.where or 'the form'}: {one.problem}" for one in problems)
        ) from None


def _whole(text: str) -> int | str:
    """A whole number of a form; as it is, if it is none, so that the API's schema refuses it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _siwe(form: dict[str, str]) -> SIWEProof | None:
    """The wallet's message that a script has put into the form, if it has."""
    if not form.get("siwe-signature"):
        return None
    # A form has CR LF for each line break.
    message = form.get("siwe-message", "").replace("\r\n", "\n")
    return _validated(SIWEProof, {"message": message, "signature": form["siwe-signature"]})


def _show_once(request: Request, made: IssuedKey, replaced: str | None = None) -> Response:
    return page(
        request,
        "new_key.html",
        status=status.HTTP_201_CREATED,
        made=made,
        replaced=replaced,
    )


def _back(section: str) -> RedirectResponse:
    """To a section of the account page, where one sees what has changed."""
    response = RedirectResponse(f"/account#{section}", status.HTTP_303_SEE_OTHER)
    response.headers["cache-control"] = "no-store"
    return response
