"""Replay protection: each message that a wallet signs authorises only one change."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.batching import Batcher
from app.core.errors import SpentSignatureError
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database

# The same statement for any number of messages, so that it is prepared only once.
_CONSUME = text(
    "insert into spent_signatures (address, digest, expires_at)"
    " select * from unnest(cast(:addresses as text[]), cast(:digests as bytea[]),"
    " cast(:ends as timestamptz[]))"
    " on conflict do nothing returning address, digest"
)
_GIVE_BACK = text(
    "delete from spent_signatures where (address, digest) in"
    " (select * from unnest(cast(:addresses as text[]), cast(:digests as bytea[])))"
)
# Messages per statement.
MAX_BATCH = 200

# Address and digest.
Message = tuple[str, bytes]


async def consume(session: AsyncSession, proof: WalletProof) -> None:
    """Consume a wallet's message, in the transaction of the change that it authorises.

    Raises SpentSignatureError if it was consumed before, by any worker.
    """
    if not await _consume(session, [proof]):
        raise spent()


async def consume_each(session: AsyncSession, proofs: Sequence[WalletProof]) -> list[bool]:
    """Consume several messages with one statement: for each, whether it was unused."""
    unused = await _consume(session, proofs) if proofs else set()
    results = []
    for proof in proofs:
        message = (proof.address, proof.digest)
        results.append(message in unused)
        # If a message is there twice, only the first of the two succeeds.
        unused.discard(message)
    return results


async def give_back(session: AsyncSession, proofs: Sequence[WalletProof]) -> None:
    """Let messages that this transaction has consumed authorise another change after all."""
    if proofs:
        await session.execute(
            _GIVE_BACK,
            {
                "addresses": [proof.address for proof in proofs],
                "digests": [proof.digest for proof in proofs],
            },
        )


class ReplayGuard:
    """Consumes messages for requests that have no transaction, such as those to MLflow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher = Batcher(self._consume, MAX_BATCH)

    async def consume(self, proof: WalletProof) -> None:
        """Consume a wallet's message; on return this is committed.

        Raises SpentSignatureError if it was consumed before, and DatabaseUnavailableError.
        """
        if not await self._batcher.submit(proof):
            raise spent()

    async def _consume(self, proofs: list[WalletProof]) -> list[bool]:
        """For each message, whether it was unused."""
        async with self._database.transaction() as session:
            return await consume_each(session, proofs)


async def _consume(session: AsyncSession, proofs: Sequence[WalletProof]) -> set[Message]:
    """Consume the messages; return those that were unused."""
    # In a fixed order, so that two statements with the same messages cannot deadlock.
    ordered = sorted(proofs, key=lambda proof: (proof.address, proof.digest))
    rows = await session.execute(
        _CONSUME,
        {
            "addresses": [proof.address for proof in ordered],
            "digests": [proof.digest for proof in ordered],
            "ends": [proof.expires_at for proof in ordered],
        },
    )
    return {(address, digest) for address, digest in rows}


def spent() -> SpentSignatureError:
    """The error for a message that was consumed before."""
    return SpentSignatureError(
        "This signed message has already authorised a change. Sign a new message for each request "
        "that changes something, or exchange one for a token at POST /api/auth/token."
    )
