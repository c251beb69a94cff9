"""Keys and tokens that were looked up lately, and the word of their revocation.

One lookup in PostgreSQL costs more than proxying the whole request, so a worker remembers what it
found. It is told of every change by LISTEN/NOTIFY, and forgets what it changed itself before that
is answered. While nobody listens, because the database is away, nothing is remembered: each request
asks, and is answered 503.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from app.core.errors import UnauthenticatedError
from app.core.request.principal import Principal
from app.core.settings import Network
from app.database.engine import Database

log = structlog.get_logger()

CHANNEL = "hokusai_credentials"
# In a session's `info`: the ids of the credentials that its transaction changes.
CHANGED = "changed_credentials"
# What bounds a missed notification, in seconds.
LIFETIME = 30.0
# Enough for every caller of a busy minute; the oldest goes first.
CAPACITY = 10_000
HEARTBEAT = 5.0
RETRY = 0.5


@dataclass(slots=True)
class KnownCredential:
    """What the database said of one key or token.

    id: of the key or token; expires_at: Unix time in seconds, None for never; expired: makes
    the error with which it is answered from then on; used_at: Unix time of its last use.
    """

    id: str
    principal: Principal
    expires_at: float | None
    expired: Callable[[], UnauthenticatedError]
    networks: tuple[Network, ...] = ()
    found_at: float = 0.0
    used_at: float = 0.0


class CredentialCache:
    """A worker's memory of credentials, by digest."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: dict[bytes, KnownCredential] = {}
        self._clock = clock
        self.listening = False
        # Rises with each notification: a lookup that began before one must not be remembered.
        self.generation = 0

    def get(self, digest: bytes) -> KnownCredential | None:
        """The credential, if it was found lately enough to trust."""
        found = self._known.get(digest)
        if found is None or self._clock() - found.found_at > LIFETIME:
            return None
        return found

    def put(self, digest: bytes, found: KnownCredential, generation: int) -> None:
        """Remember a lookup that began at `generation`."""
        if not self.listening or generation != self.generation:
            return
        self._known.pop(digest, None)
        while len(self._known) >= CAPACITY:
            del self._known[next(iter(self._known))]
        found.found_at = self._clock()
        self._known[digest] = found

    def forget(self, credential: str) -> None:
        """Drop one credential by its id."""
        self.generation += 1
        for digest in [d for d, found in self._known.items() if found.id == credential]:
            del self._known[digest]

    def forget_all(self) -> None:
        self.generation += 1
        self._known.clear()

    def used_since(self, moment: float) -> dict[str, float]:
        """Ids and last uses (Unix time) of the credentials used after `moment`."""
        return {c.id: c.used_at for c in self._known.values() if c.used_at > moment}

    async def listen(self, database: Database) -> None:
        """Listen for changes until cancelled, connecting again whenever the connection is lost."""
        is_told = False
        while True:
            try:
                await self._listen_once(database)
            except Exception as error:  # whatever the driver raises
                # Once for each outage, however long it lasts, and also if it is there at the start.
                if self.listening or not is_told:
                    log.warning("credentials.listener_lost", error=type(error).__name__)
                is_told = True
            finally:
                self.listening = False
                self.forget_all()
            await asyncio.sleep(RETRY)

    async def _listen_once(self, database: Database) -> None:
        connection = await database.connect()
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._notified)
            self.listening = True
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), HEARTBEAT)
                    raise ConnectionError("PostgreSQL closed the connection")
                # A silent network says nothing when the other side is gone: ask.
                await connection.execute("select 1")
        finally:
            connection.terminate()

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        self.forget(payload)
