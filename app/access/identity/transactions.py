"""The transaction of a change: consumes the wallet's message and invalidates cached keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.credential_cache import CHANGED, CredentialCache
from app.access.identity.replay_guard import consume
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database


class ChangeTransactions:
    """Implements `app.rest.dependencies.ChangeTransaction`."""

    def __init__(self, database: Database, cache: CredentialCache) -> None:
        self._database = database
        self._cache = cache

    @asynccontextmanager
    async def __call__(self, wallet_proof: WalletProof | None) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end.

        wallet_proof: its message is consumed if, and only if, this transaction commits. A key that
        the transaction has revoked is removed from this worker's cache before the response is sent;
        other workers are notified by PostgreSQL. Raises SpentSignatureError if the message was
        consumed before, and DatabaseUnavailableError.
        """
        async with self._database.transaction() as session:
            if wallet_proof is not None:
                await consume(session, wallet_proof)
            yield session
        for payload in session.info.get(CHANGED, ()):
            self._cache.apply(payload)
