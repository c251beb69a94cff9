"""Authenticates a session by its cookie: finds the principal that it belongs to."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_network

from sqlalchemy import select, update

from app.access.identity.credential_cache import CachedCredential, CredentialCache
from app.access.identity.key_format import is_session
from app.access.identity.keys import earlier
from app.access.identity.lookups import Lookups
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.sessions.cookie import secret_in
from app.access.identity.sessions.models import BrowserSession
from app.access.identity.sessions.site import Site, Sites, is_own_request
from app.core.client_address import in_networks
from app.core.errors import (
    AddressNotAllowedError,
    DatabaseUnavailableError,
    OtherOriginError,
    SessionEndedError,
    UnauthenticatedError,
)
from app.core.request.principal import Principal
from app.core.request.principal import Scope as Permission
from app.database.engine import Database, now

# A session that is not used for this long ends.
IDLE = timedelta(hours=12)
# How long `last_used_at` may be behind, so that using a session does not write with each request.
TOUCH = timedelta(minutes=5)


@dataclass(slots=True, kw_only=True)
class CachedSession(CachedCredential):
    """A session as found in the database.

    admin: the principal with the scope `admin`. admin_until: until when it is in force, in Unix
    time; 0 if it is not.
    """

    admin: Principal
    admin_until: float


class SessionAuthenticator:
    """Authenticates sessions by the database and the cache of credentials."""

    def __init__(
        self, sites: Sites, database: Database, peppers: Peppers, cache: CredentialCache
    ) -> None:
        self._sites = sites
        self._database = database
        self._peppers = peppers
        self._cache = cache
        self._lookups = Lookups[CachedSession](cache)

    def site(self, scope: Mapping[str, object], headers: Mapping[bytes, bytes]) -> Site:
        """The site of a request, by its ASGI scope and its headers."""
        peer = scope.get("client")
        return self._sites.of(peer[0] if isinstance(peer, tuple | list) else "", headers)

    async def authenticate(
        self, method: str, headers: Mapping[bytes, bytes], site: Site, client: str
    ) -> Principal | None:
        """The principal of the request's session; None if the request has no cookie of one.

        client: the client address. Raises SessionEndedError, OtherOriginError for a request of a
        page of another origin, AddressNotAllowedError and DatabaseUnavailableError.
        """
        secret = secret_in(headers, site)
        if secret is None:
            return None
        if not is_own_request(method, headers, site):
            raise OtherOriginError(
                "A session counts only for requests of the gateway's own pages. Programs send an "
                "API key instead."
            )
        if not is_session(secret):
            raise _ended()
        digest = self._peppers.digest(secret)
        found = self._cache.get(digest)
        if not isinstance(found, CachedSession):
            found = await self._lookups.run(digest, partial(self._find, secret, digest))
        at = time.time()
        if found.expires_at is not None and found.expires_at <= at:
            raise _ended()
        if found.networks and not in_networks(client, found.networks):
            raise AddressNotAllowedError(
                f"The key of this session does not work from {client}. Ask its issuer to add the "
                "address to the key's allowed networks."
            )
        return found.admin if found.admin_until > at else found.principal

    async def _find(self, secret: str, digest: bytes) -> CachedSession:
        digests = [digest, *self._peppers.earlier_digests(secret)]
        at = now()
        async with self._database.transaction() as transaction:
            row = (
                await transaction.execute(
                    select(BrowserSession, APIKey)
                    .outerjoin(APIKey, APIKey.id == BrowserSession.key_id)
                    .where(BrowserSession.digest.in_(digests))
                )
            ).one_or_none()
        if row is None:
            raise _ended()
        session, key = row
        if not is_live(session, key, at):
            raise _ended()
        if at - session.last_used_at > TOUCH:
            # A database that can only be read keeps nobody from reading.
            with suppress(DatabaseUnavailableError):
                await self._touch(session.id, at)
        return _cached(session, key)

    async def _touch(self, session_id: str, at: datetime) -> None:
        async with self._database.transaction() as transaction:
            await transaction.execute(
                update(BrowserSession)
                .where(BrowserSession.id == session_id)
                .values(last_used_at=at)
            )


def is_live(session: BrowserSession, key: APIKey | None, at: datetime) -> bool:
    """Whether a session counts at a time. key: the one that it began with, if it was one."""
    return (
        session.expires_at > at
        and session.last_used_at + IDLE > at
        and (
            key is None
            or (key.revoked_at is None and (key.expires_at is None or key.expires_at > at))
        )
    )


def _cached(session: BrowserSession, key: APIKey | None) -> CachedSession:
    ends = earlier(session.expires_at, key.expires_at if key else None)
    assert ends is not None
    principal = Principal(
        id=session.principal,
        credential=key.id if key else "session",
        tenant=session.tenant,
        scopes=frozenset(map(Permission, session.scopes)),
        rate_limit=key.rate_limit if key else None,
        address=session.address,
        expires_at=ends,
        session=session.id,
    )
    return CachedSession(
        id=session.id,
        principal=principal,
        expires_at=ends.timestamp(),
        expiry_error=_ended,
        networks=tuple(map(ip_network, key.allowed_networks)) if key else (),
        depends_on=session.key_id,
        admin=replace(principal, scopes=principal.scopes | {Permission.ADMIN}),
        admin_until=session.admin_until.timestamp() if session.admin_until else 0.0,
    )


def _ended() -> UnauthenticatedError:
    return SessionEndedError("This session has ended. Sign in again at /login.")
