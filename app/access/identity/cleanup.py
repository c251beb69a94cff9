"""Periodic cleanup: removes expired rows, and stores when API keys were last used."""

import asyncio
import time
from datetime import UTC, datetime

import structlog
from sqlalchemy import delete, update

from app.access.identity.credential_cache import CredentialCache
from app.access.identity.models import AccessToken, APIKey, Nonce, SpentSignature
from app.core.errors import DatabaseUnavailableError
from app.database.engine import Database, now

log = structlog.get_logger()

# Seconds between two runs: the precision of `last_used_at`, which costs a statement per used key.
INTERVAL = 60.0


async def run_periodically(database: Database, cache: CredentialCache) -> None:
    """Run the cleanup every minute until cancelled. A run that fails is repeated."""
    stored_until = time.time()
    while True:
        await asyncio.sleep(INTERVAL)
        began = time.time()
        try:
            await run_once(database, cache.used_since(stored_until))
            stored_until = began
        except DatabaseUnavailableError:
            log.warning("cleanup.postponed")
        except Exception:
            # Not re-raised: nothing else removes expired rows, so a temporary error such as a
            # read-only standby or a lock must not end the cleanup permanently.
            log.exception("cleanup.failed")


async def run_once(database: Database, last_used: dict[str, float]) -> None:
    """Remove expired tokens, nonces and consumed signatures, and store the last uses of keys.

    last_used: Unix time in seconds by key id.
    """
    async with database.transaction() as session:
        # In a fixed order, so that two workers cannot deadlock.
        for key_id, used_at in sorted(last_used.items()):
            await session.execute(
                update(APIKey)
                .where(APIKey.id == key_id)
                .values(last_used_at=datetime.fromtimestamp(used_at, UTC))
            )
        for table in (AccessToken, Nonce, SpentSignature):
            await session.execute(delete(table).where(table.expires_at < now()))
