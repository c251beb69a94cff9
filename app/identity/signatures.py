"""Wallet messages that were used up: each is good for one change."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import SpentSignatureError
from app.identity.models import SpentSignature
from app.identity.wallet import VerifiedWallet


async def spend(session: AsyncSession, proof: VerifiedWallet) -> None:
    """Use up a wallet's message, in the transaction of what it authorises.

    Raises SpentSignatureError when it already was, by whatever worker.
    """
    fresh = await session.scalar(
        insert(SpentSignature)
        .values(address=proof.address, digest=proof.digest, expires_at=proof.expires_at)
        .on_conflict_do_nothing()
        .returning(SpentSignature.address)
    )
    if fresh is None:
        raise SpentSignatureError(
            "This signed message has already authorised a change. Sign a new one for each request "
            "that changes something, or exchange one for a token at POST /api/auth/token."
        )
