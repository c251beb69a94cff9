"""Wallet messages that were used up: each is good for one change."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.errors import SpentSignatureError
from app.identity.wallet import VerifiedWallet

# One statement whatever their number, so that it is prepared once.
_SPEND = text(
    "insert into spent_signatures (address, digest, expires_at)"
    " select * from unnest(cast(:addresses as text[]), cast(:digests as bytea[]),"
    " cast(:ends as timestamptz[]))"
    " on conflict do nothing returning address, digest"
)
# More than come at once on a busy day, and few enough for one statement.
MAX_TOGETHER = 200

Message = tuple[str, bytes]


async def spend(session: AsyncSession, proof: VerifiedWallet) -> None:
    """Use up a wallet's message, in the transaction of what it authorises.

    Raises SpentSignatureError when it already was, by whatever worker.
    """
    if not await _spend(session, [proof]):
        raise _spent()


class Spender:
    """Uses messages up for requests that have no transaction of their own.

    Those that come while a statement is under way wait for the next one, which takes them all:
    under load a request costs a small part of a statement, and holds no connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[VerifiedWallet, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def spend(self, proof: VerifiedWallet) -> None:
        """Return when the message is used up for good.

        Raises SpentSignatureError when it already was, DatabaseUnavailableError.
        """
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append((proof, done))
        if self._task is None:
            self._task = loop.create_task(self._run())
        await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:MAX_TOGETHER]
                del self._waiting[:MAX_TOGETHER]
                await self._spend(batch)
        finally:
            self._task = None

    async def _spend(self, batch: list[tuple[VerifiedWallet, asyncio.Future[None]]]) -> None:
        try:
            async with self._database.transaction() as session:
                fresh = await _spend(session, [proof for proof, _ in batch])
        except Exception as error:
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for proof, done in batch:
            message = (proof.address, proof.digest)
            # The same message twice in one statement is good for the first of the two.
            first = message in fresh
            fresh.discard(message)
            if done.done():
                continue
            if first:
                done.set_result(None)
            else:
                done.set_exception(_spent())


async def _spend(session: AsyncSession, proofs: Sequence[VerifiedWallet]) -> set[Message]:
    """Use up those that are fresh, and say which they were."""
    # In one order everywhere, so that two statements with the same messages never wait for each
    # other.
    ordered = sorted(proofs, key=lambda proof: (proof.address, proof.digest))
    rows = await session.execute(
        _SPEND,
        {
            "addresses": [proof.address for proof in ordered],
            "digests": [proof.digest for proof in ordered],
            "ends": [proof.expires_at for proof in ordered],
        },
    )
    return {(address, digest) for address, digest in rows}


def _spent() -> SpentSignatureError:
    return SpentSignatureError(
        "This signed message has already authorised a change. Sign a new one for each request "
        "that changes something, or exchange one for a token at POST /api/auth/token."
    )
