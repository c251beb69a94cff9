"""Begins, lists and ends sessions, and lets one act as an admin for a while."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.credential_cache import notify_changed
from app.access.identity.key_format import new_session
from app.access.identity.keys import earlier
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.sessions.authenticator import is_live
from app.access.identity.sessions.models import BrowserSession
from app.access.tenants import service as tenants
from app.access.tenants.disabled import disabled_error
from app.access.tenants.new_wallets import NewWallets
from app.core.errors import NotFoundError, PermissionDeniedError, SessionEndedError
from app.core.redaction import shortened
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now

# The longest life of a session.
LIFETIME = timedelta(days=7)
# How long a session acts as an admin.
ADMIN_TIME = timedelta(minutes=30)
# The most sessions of a principal; one more ends the oldest.
MOST = 20
# Characters of the browser's name that are kept.
MAX_USER_AGENT = 200


async def start(
    session: AsyncSession,
    peppers: Peppers,
    owner: Principal,
    actor: Actor,
    *,
    user_agent: str | None,
    new_wallets: NewWallets,
    expires_by: datetime | None = None,
    replaces: str | None = None,
) -> tuple[BrowserSession, str]:
    """Begin a session for the owner of a credential; return its row and its secret.

    owner: as the credential authenticates: a key, or a wallet. user_agent: the browser's name.
    expires_by: the latest end, if the wallet's message sets one. replaces: the session that the
    browser had until now, which ends. Raises TooManyWalletsError and TenantDisabledError.
    """
    await new_wallets.admit(session, owner.tenant, actor)
    tenant, _ = await tenants.ensure(session, owner.tenant, actor)
    if tenant.disabled_at is not None:
        raise disabled_error(tenant.name)
    # One sign-in of a principal after the other, so that the bound holds.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(owner.id, 0))))
    if replaces is not None:
        await _end(session, BrowserSession.id == replaces, actor)
    newest = (
        select(BrowserSession.id)
        .where(BrowserSession.principal == owner.id)
        .order_by(BrowserSession.created_at.desc())
        .limit(MOST - 1)
    )
    await _end(
        session,
        (BrowserSession.principal == owner.id) & BrowserSession.id.not_in(newest),
        actor,
    )
    secret = new_session()
    at = now()
    expires_at = earlier(at + LIFETIME, expires_by)
    assert expires_at is not None
    begun = BrowserSession(
        id=secrets.token_hex(8),
        digest=peppers.digest(secret),
        pepper_version=peppers.version,
        principal=owner.id,
        tenant=tenant.name,
        scopes=[scope.value for scope in Scope if scope in owner.scopes - {Scope.ADMIN}],
        address=owner.address,
        key_id=None if owner.is_wallet else owner.credential,
        client=actor.client,
        user_agent=shortened(user_agent, MAX_USER_AGENT) if user_agent else None,
        created_at=at,
        last_used_at=at,
        expires_at=expires_at,
        admin_until=None,
    )
    session.add(begun)
    record(session, actor, "session.started", begun.id, begun.tenant, key=begun.key_id)
    await session.flush()
    return begun, secret


async def list_own(session: AsyncSession, owner: Principal) -> Sequence[BrowserSession]:
    """The sessions of the caller's principal that have not ended, the newest first."""
    rows = await session.execute(
        select(BrowserSession, APIKey)
        .outerjoin(APIKey, APIKey.id == BrowserSession.key_id)
        .where(BrowserSession.principal == owner.id)
        .order_by(BrowserSession.created_at.desc(), BrowserSession.id)
    )
    at = now()
    return [one for one, key in rows if is_live(one, key, at)]


async def own_session(
    session: AsyncSession, owner: Principal, session_id: str | None
) -> BrowserSession:
    """A session of the caller's principal, with its row locked. session_id: None for the one that
    the request belongs to. Raises NotFoundError, and PermissionDeniedError for a request without a
    session."""
    if session_id is None:
        session_id = _current(owner)
    found = await session.scalar(
        select(BrowserSession)
        .where(BrowserSession.id == session_id, BrowserSession.principal == owner.id)
        .with_for_update()
    )
    if found is None:
        if session_id == owner.session:
            raise SessionEndedError("This session has ended. Sign in again at /login.")
        raise NotFoundError(
            "There is no session of yours with this id. GET /api/auth/sessions lists yours."
        )
    return found


async def end(session: AsyncSession, found: BrowserSession, actor: Actor) -> None:
    """End a session."""
    await _end(session, BrowserSession.id == found.id, actor)


async def end_all(
    session: AsyncSession, owner: Principal, actor: Actor, *, others: bool = False
) -> int:
    """End all sessions of the caller's principal: how many there were.

    others: all but the one that the request belongs to.
    """
    chosen = BrowserSession.principal == owner.id
    if others:
        chosen &= BrowserSession.id != _current(owner)
    return await _end(session, chosen, actor)


async def end_all_of_tenant(session: AsyncSession, tenant: str, actor: Actor) -> int:
    """End all sessions of a tenant: how many there were."""
    return await _end(session, BrowserSession.tenant == tenant, actor)


async def start_admin(
    session: AsyncSession, owner: Principal, proof: Principal, actor: Actor
) -> BrowserSession:
    """Let the caller's session act as an admin for ADMIN_TIME.

    proof: the principal of the key that was sent again. Raises PermissionDeniedError where that is
    not the key of the session, and MissingScopeError where it has not the scope `admin`.
    """
    found = await own_session(session, owner, None)
    if found.key_id is None or proof.credential != found.key_id:
        raise PermissionDeniedError(
            "This is not the key that this session began with. Sign in again with a key that has "
            "the scope admin."
        )
    proof.require(Scope.ADMIN)
    found.admin_until = now() + ADMIN_TIME
    record(session, actor, "session.admin_started", found.id, found.tenant, key=found.key_id)
    await notify_changed(session, found.id)
    return found


async def end_admin(session: AsyncSession, owner: Principal, actor: Actor) -> BrowserSession:
    """Let the caller's session no longer act as an admin."""
    found = await own_session(session, owner, None)
    if found.admin_until is not None:
        found.admin_until = None
        record(session, actor, "session.admin_ended", found.id, found.tenant)
        await notify_changed(session, found.id)
    return found


def _current(owner: Principal) -> str:
    if owner.session is None:
        raise PermissionDeniedError(
            "This request belongs to no session: it has a credential of its own."
        )
    return owner.session


async def _end(session: AsyncSession, chosen: ColumnElement[bool], actor: Actor) -> int:
    ended = await session.execute(
        delete(BrowserSession).where(chosen).returning(BrowserSession.id, BrowserSession.tenant)
    )
    count = 0
    for session_id, tenant in ended:
        record(session, actor, "session.ended", session_id, tenant)
        await notify_changed(session, session_id)
        count += 1
    return count
