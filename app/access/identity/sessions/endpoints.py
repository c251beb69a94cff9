"""The endpoints that sign a browser in and out, and show and end sessions."""

from fastapi import APIRouter, Request, Response, status

from app.access.identity.sessions import service
from app.access.identity.sessions.authenticator import IDLE
from app.access.identity.sessions.cookie import remove_cookie, set_cookie
from app.access.identity.sessions.dependencies import CurrentSignIns, CurrentSite, OwnPage
from app.access.identity.sessions.models import BrowserSession
from app.access.identity.sessions.schemas import (
    AdminRequest,
    EndedSessions,
    MessageRequest,
    MessageView,
    SessionsView,
    SessionView,
    SignInRequest,
)
from app.core.request.context import context_of
from app.core.request.principal import Scope
from app.database.engine import now
from app.rest.dependencies import Caller, ChangeSession, CurrentActor, Session
from app.rest.fields import Label

router = APIRouter(prefix="/api/auth", tags=["auth"])
# Public: who sends them has no session yet.
PUBLIC = frozenset({("POST", "/api/auth/message"), ("POST", "/api/auth/sign-in")})
# The id by which the session of the request itself is named.
CURRENT = "current"


@router.post("/message", dependencies=[OwnPage])
async def message(
    response: Response,
    body: MessageRequest,
    site: CurrentSite,
    sign_ins: CurrentSignIns,
    session: Session,
) -> MessageView:
    """Write a SIWE message for a wallet to sign, with which a page of the gateway signs it in."""
    response.headers["cache-control"] = "no-store"
    text, expires_at = await sign_ins.message(session, body.address, body.chain_id, site)
    return MessageView(message=text, expires_at=expires_at)


@router.post("/sign-in", status_code=status.HTTP_201_CREATED, dependencies=[OwnPage])
async def sign_in(
    request: Request,
    response: Response,
    body: SignInRequest,
    site: CurrentSite,
    sign_ins: CurrentSignIns,
) -> SessionView:
    """Sign a browser in: begin a session, whose secret is in the cookie of the response only.

    The request has to come from a page of the gateway. The session that the browser had ends.
    """
    begun, secret = await sign_ins.begin(body, site, context_of(request.scope))
    response.headers["cache-control"] = "no-store"
    response.raw_headers.append(set_cookie(secret, seconds_left(begun), site))
    return view(begun, begun.id)


@router.get("/sessions")
async def list_sessions(caller: Caller, session: Session) -> SessionsView:
    """List the sessions of the caller's principal that have not ended, the newest first."""
    found = await service.list_own(session, caller)
    return SessionsView(items=[view(one, caller.session) for one in found])


@router.delete("/sessions")
async def end_sessions(
    response: Response,
    caller: Caller,
    session: ChangeSession,
    actor: CurrentActor,
    site: CurrentSite,
    others: bool = False,
) -> EndedSessions:
    """End all sessions of the caller's principal; with `others`, all but that of this request."""
    count = await service.end_all(session, caller, actor, others=others)
    if caller.session is not None and not others:
        response.raw_headers.append(remove_cookie(site))
    return EndedSessions(sessions=count)


@router.delete("/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def end_session(
    response: Response,
    session_id: Label,
    caller: Caller,
    session: ChangeSession,
    actor: CurrentActor,
    site: CurrentSite,
) -> None:
    """End a session of the caller's principal; `current` for that of this request: sign out."""
    found = await service.own_session(
        session, caller, None if session_id == CURRENT else session_id
    )
    await service.end(session, found, actor)
    if found.id == caller.session:
        response.raw_headers.append(remove_cookie(site))


@router.post("/sessions/current/admin")
async def start_admin(
    request: Request,
    body: AdminRequest,
    caller: Caller,
    sign_ins: CurrentSignIns,
    actor: CurrentActor,
) -> SessionView:
    """Let the session of this request act as an admin for 30 minutes.

    `key` is the key that it began with, which needs the scope admin.
    """
    begun = await sign_ins.start_admin(body.key, caller, actor, context_of(request.scope))
    return view(begun, caller.session)


@router.delete("/sessions/current/admin")
async def end_admin(caller: Caller, session: ChangeSession, actor: CurrentActor) -> SessionView:
    """Let the session of this request no longer act as an admin."""
    return view(await service.end_admin(session, caller, actor), caller.session)


def seconds_left(session: BrowserSession) -> int:
    """The seconds until a session ends at the latest."""
    return max(0, round((session.expires_at - now()).total_seconds()))


def view(session: BrowserSession, current: str | None) -> SessionView:
    """A session as lists show it. current: the id of the session of the request."""
    acting = session.admin_until is not None and session.admin_until > now()
    return SessionView(
        id=session.id,
        principal=session.principal,
        tenant=session.tenant,
        scopes=[Scope(scope) for scope in session.scopes],
        key=session.key_id,
        client=session.client,
        user_agent=session.user_agent,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        idle_until=min(session.last_used_at + IDLE, session.expires_at),
        expires_at=session.expires_at,
        admin_until=session.admin_until if acting else None,
        is_current=session.id == current,
    )
