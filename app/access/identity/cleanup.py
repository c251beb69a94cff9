"""What has to be done now and then: forget what expired, write down what was used."""

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

# `last_used_at` is true to the minute, and costs one statement a key and minute.
INTERVAL = 60.0


async def run_periodically(database: Database, known: CredentialCache) -> None:
    """Do the upkeep every minute until cancelled; what fails is tried again."""
    written = time.time()
    while True:
        await asyncio.sleep(INTERVAL)
        began = time.time()
        try:
            await once(database, known.used_since(written))
            written = began
        except DatabaseUnavailableError:
            log.warning("upkeep.postponed")
        except Exception:
            # Nobody else removes what has expired: a standby that is read only, or a lock that is
            # held for long, must not end it for good.
            log.exception("upkeep.failed")


async def once(database: Database, used: dict[str, float]) -> None:
    """Write last uses (id → Unix time) and remove what has expired."""
    async with database.transaction() as session:
        # In a fixed order, so that two workers cannot wait for each other.
        for key_id, moment in sorted(used.items()):
            await session.execute(
                update(APIKey)
                .where(APIKey.id == key_id)
                .values(last_used_at=datetime.fromtimestamp(moment, UTC))
            )
        for table in (AccessToken, Nonce, SpentSignature):
            await session.execute(delete(table).where(table.expires_at < now()))
