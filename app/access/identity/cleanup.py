"""Periodic cleanup: removes expired rows, and stores when API keys were last used."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.access.identity.credential_cache import CredentialCache
from app.access.identity.models import AccessToken, APIKey, Nonce, SpentSignature
from app.access.identity.sessions.authenticator import IDLE
from app.access.identity.sessions.models import BrowserSession, SignInLink
from app.access.quotas import usage
from app.access.quotas.models import QuotaKind
from app.core.errors import DatabaseUnavailableError
from app.database.engine import Database, now

log = structlog.get_logger()

# Seconds between two runs: the precision of `last_used_at`, which costs a statement per used key.
INTERVAL = 60.0


# The most rows of one kind that one run removes, so that no transaction takes long.
MAX_REMOVED = 10_000

# Removes what another package has to remove, in the transaction of a run.
Removal = Callable[[AsyncSession], Awaitable[None]]


class Cleanup:
    """Removes rows whose time is over, and stores the last uses of keys.

    ended_key_days: how long a key stays listed after its end. removals: what other packages add.
    """

    def __init__(
        self,
        database: Database,
        cache: CredentialCache,
        *,
        ended_key_days: int,
        removals: tuple[Removal, ...] = (),
    ) -> None:
        self._database = database
        self._cache = cache
        self._ended_key_lifetime = timedelta(days=ended_key_days)
        self._removals = removals

    async def run_periodically(self) -> None:
        """Run every minute until cancelled. A run that fails is repeated."""
        stored_until = time.time()
        while True:
            await asyncio.sleep(INTERVAL)
            began = time.time()
            try:
                await self.run_once(self._cache.used_since(stored_until))
                stored_until = began
            except DatabaseUnavailableError:
                log.warning("cleanup.postponed")
            except Exception:
                # Not re-raised: nothing else removes expired rows, so a temporary error such as a
                # read-only standby or a lock must not end the cleanup permanently.
                log.exception("cleanup.failed")

    async def run_once(self, last_used: dict[str, float]) -> None:
        """Remove what has expired, and store the last uses of keys.

        last_used: Unix time in seconds by key id.
        """
        async with self._database.transaction() as session:
            # In a fixed order, so that two workers cannot deadlock.
            for key_id, used_at in sorted(last_used.items()):
                await session.execute(
                    update(APIKey)
                    .where(APIKey.id == key_id)
                    .values(last_used_at=datetime.fromtimestamp(used_at, UTC))
                )
            for table in (Nonce, SpentSignature, SignInLink):
                await session.execute(delete(table).where(table.expires_at < now()))
            await session.execute(
                delete(BrowserSession).where(
                    or_(
                        BrowserSession.expires_at < now(),
                        BrowserSession.last_used_at < now() - IDLE,
                    )
                )
            )
            tokens = await session.scalars(
                delete(AccessToken)
                .where(AccessToken.expires_at < now())
                .returning(AccessToken.tenant)
            )
            await usage.remove(session, QuotaKind.TOKENS, Counter(tokens))
            await self._remove_ended_keys(session)
            for remove in self._removals:
                await remove(session)

    async def _remove_ended_keys(self, session: AsyncSession) -> None:
        """Remove keys that ended long ago, unless another key refers to one.

        A later run removes it, since a key ends no later than those that refer to it.
        """
        referring = aliased(APIKey)
        ended = (
            select(APIKey.id)
            .where(
                func.least(APIKey.revoked_at, APIKey.expires_at) < now() - self._ended_key_lifetime,
                ~select(referring.id).where(referring.parent == APIKey.id).exists(),
                ~select(referring.id).where(referring.successor == APIKey.id).exists(),
            )
            .limit(MAX_REMOVED)
            .with_for_update(skip_locked=True)
        )
        tenants = await session.scalars(
            delete(APIKey).where(APIKey.id.in_(ended)).returning(APIKey.tenant)
        )
        await usage.remove(session, QuotaKind.KEYS, Counter(tenants))
