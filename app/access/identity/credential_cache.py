"""A cache of authenticated keys, tokens and sessions, invalidated by PostgreSQL's LISTEN/NOTIFY.

A lookup in PostgreSQL takes longer than forwarding a whole request, so each worker keeps what it
has found. A transaction that changes a credential notifies all workers; the worker that ran it also
removes the credential from its own cache before it sends the response. While the connection that
listens is lost, nothing is cached: each request queries PostgreSQL, and fails with 503 if that is
unavailable. The same is the case where a connection pooler keeps the gateway from listening.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.tenants.disabled import DisabledTenants
from app.core.errors import UnauthenticatedError
from app.core.networks import Network
from app.core.request.principal import Principal
from app.database.engine import Database
from app.database.pooler import PoolerError

log = structlog.get_logger()

# The channel of NOTIFY; its payload is the id of the changed credential, or one of these two and
# the name of a tenant.
CHANNEL = "hokusai_credentials"
DISABLED, ENABLED = "disabled:", "enabled:"
# The key, in a session's `info`, of the list of the payloads of its transaction.
CHANGED = "changed_credentials"
# Seconds for which an entry is used; bounds the effect of a lost notification.
LIFETIME = 30.0
# The maximum number of entries; the oldest is evicted first.
CAPACITY = 10_000
# Seconds between two checks that the listening connection is alive.
HEARTBEAT = 5.0
# Seconds between two attempts to connect.
RETRY = 0.5
# Seconds between two attempts where a connection pooler was found.
RETRY_POOLED = 60.0


@dataclass(slots=True)
class CachedCredential:
    """An API key, a token or a session as found in the database.

    id: its id.
    expires_at: Unix time in seconds; None if it does not expire.
    expiry_error: creates the error for a request after `expires_at`.
    networks: the networks that the key may be used from; empty for anywhere.
    cached_at: when it was put into the cache, by the clock of the cache.
    used_at: Unix time in seconds of its last use; not of sessions.
    depends_on: the id of the key that a session began with, which it ends with.
    """

    id: str
    principal: Principal
    expires_at: float | None
    expiry_error: Callable[[], UnauthenticatedError]
    networks: tuple[Network, ...] = ()
    cached_at: float = 0.0
    used_at: float = 0.0
    depends_on: str | None = None


class CredentialCache:
    """One worker's cache of credentials, by the digest of its secret.

    disabled_tenants: whose credentials are refused.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: dict[bytes, CachedCredential] = {}
        self._clock = clock
        self.disabled_tenants = DisabledTenants()
        self.listening = False
        # The number of invalidations so far. A lookup that began before the latest invalidation may
        # have read the old row, so its result must not be cached: see `put`.
        self.generation = 0

    def get(self, digest: bytes) -> CachedCredential | None:
        """The credential, unless it is not cached or its entry is older than LIFETIME."""
        entry = self._entries.get(digest)
        if entry is None or self._clock() - entry.cached_at > LIFETIME:
            return None
        return entry

    def put(self, digest: bytes, credential: CachedCredential, generation: int) -> None:
        """Cache the result of a lookup. generation: its value when the lookup began."""
        if not self.listening or generation != self.generation:
            return
        self._entries.pop(digest, None)
        while len(self._entries) >= CAPACITY:
            del self._entries[next(iter(self._entries))]
        credential.cached_at = self._clock()
        self._entries[digest] = credential

    def invalidate(self, credential_id: str) -> None:
        """Remove the entry of one credential, and those that depend on it."""
        self.generation += 1
        for digest in [
            digest
            for digest, entry in self._entries.items()
            if credential_id in (entry.id, entry.depends_on)
        ]:
            del self._entries[digest]

    def apply(self, payload: str) -> None:
        """Do what a notification says. payload: see CHANNEL."""
        kind, colon, tenant = payload.partition(":")
        if colon:
            self.disabled_tenants.set(tenant, disabled=kind + colon == DISABLED)
        else:
            self.invalidate(payload)

    def clear(self) -> None:
        """Remove all entries."""
        self.generation += 1
        self._entries.clear()

    def used_since(self, moment: float) -> dict[str, float]:
        """The last uses, by credential id, that were after `moment`; all in Unix time."""
        return {e.id: e.used_at for e in self._entries.values() if e.used_at > moment}

    async def listen(self, database: Database) -> None:
        """Listen for invalidations until cancelled, and reconnect when the connection is lost."""
        outage_logged = False
        while True:
            retry = RETRY
            try:
                await self._listen_once(database)
            except PoolerError:
                if not outage_logged:
                    log.warning("credentials.not_cached", reason="a connection pooler")
                outage_logged = True
                retry = RETRY_POOLED
            except Exception as error:  # of whatever kind the driver raises
                # Once per outage, and also if PostgreSQL is unavailable from the start.
                if self.listening or not outage_logged:
                    log.warning("credentials.listener_lost", error=type(error).__name__)
                outage_logged = True
            finally:
                self.listening = self.disabled_tenants.is_current = False
                self.clear()
            await asyncio.sleep(retry)

    async def _listen_once(self, database: Database) -> None:
        connection = await database.connect()
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._on_notification)
            await self.disabled_tenants.read(connection)
            self.listening = True
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), HEARTBEAT)
                    raise ConnectionError("PostgreSQL closed the connection")
                # A connection that is broken without a TCP reset is noticed only by using it. After
                # a failover it may lead to a server that no longer gets the notifications.
                if await connection.fetchval("select pg_is_in_recovery()"):
                    raise ConnectionError("this PostgreSQL is no longer the primary")
        finally:
            connection.terminate()

    def _on_notification(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        self.apply(payload)


async def notify_changed(session: AsyncSession, payload: str) -> None:
    """Make every worker remove a credential from its cache when the transaction commits.

    payload: its id, or another one: see CHANNEL. The other workers are notified by PostgreSQL; this
    one does not wait for that: see `ChangeTransactions`.
    """
    session.info.setdefault(CHANGED, []).append(payload)
    await session.execute(
        text("select pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload}
    )
