"""Wallet messages that were used up: each is good for one change."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.batching import Batcher
from app.core.errors import SpentSignatureError
from app.core.request.wallet_proof import VerifiedWallet
from app.database.engine import Database

# One statement whatever their number, so that it is prepared once.
_CONSUME = text(
    "insert into spent_signatures (address, digest, expires_at)"
    " select * from unnest(cast(:addresses as text[]), cast(:digests as bytea[]),"
    " cast(:ends as timestamptz[]))"
    " on conflict do nothing returning address, digest"
)
# More than come at once on a busy day, and few enough for one statement.
MAX_TOGETHER = 200

Message = tuple[str, bytes]


async def consume(session: AsyncSession, proof: VerifiedWallet) -> None:
    """Use up a wallet's message, in the transaction of what it authorises.

    Raises SpentSignatureError when it already was, by whatever worker.
    """
    if not await _consume(session, [proof]):
        raise _spent()


class ReplayGuard:
    """Uses messages up for requests that have no transaction of their own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher = Batcher(self._consume, MAX_TOGETHER)

    async def consume(self, proof: VerifiedWallet) -> None:
        """Return when the message is used up for good.

        Raises SpentSignatureError when it already was, DatabaseUnavailableError.
        """
        if not await self._batcher.submit(proof):
            raise _spent()

    async def _consume(self, proofs: list[VerifiedWallet]) -> list[bool]:
        """Of each, whether it was fresh."""
        async with self._database.transaction() as session:
            fresh = await _consume(session, proofs)
        found = []
        for proof in proofs:
            message = (proof.address, proof.digest)
            found.append(message in fresh)
            # The same message twice in one statement is good for the first of the two.
            fresh.discard(message)
        return found


async def _consume(session: AsyncSession, proofs: Sequence[VerifiedWallet]) -> set[Message]:
    """Use up those that are fresh, and say which they were."""
    # In one order everywhere, so that two statements with the same messages never wait for each
    # other.
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


def _spent() -> SpentSignatureError:
    return SpentSignatureError(
        "This signed message has already authorised a change. Sign a new one for each request "
        "that changes something, or exchange one for a token at POST /api/auth/token."
    )
