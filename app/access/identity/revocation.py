"""Ends keys, tokens and sessions before their time."""

from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.credential_cache import notify_changed
from app.access.identity.models import AccessToken, APIKey
from app.access.identity.sessions import service as sessions
from app.access.quotas import usage
from app.access.quotas.models import QuotaKind
from app.core.errors import PermissionDeniedError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now


@dataclass(frozen=True, slots=True)
class Ended:
    """How many keys, tokens and sessions of a wallet were ended."""

    keys: int
    tokens: int
    sessions: int


async def revoke(
    session: AsyncSession, key: APIKey, actor: Actor, *, rotation_chain: bool = False
) -> None:
    """Revoke a key and every key that was created with it, directly or indirectly. Idempotent.

    rotation_chain: also the keys that it was rotated to or from.
    """
    pending, seen = [key], {key.id}
    while pending:
        current = pending.pop()
        # A transaction that creates a key with this one, or rotates it, has its row locked. The
        # lock waits for that, so that the new key is among the related ones.
        await session.refresh(current, with_for_update=True)
        related = APIKey.parent == current.id
        if rotation_chain:
            related = or_(related, APIKey.id == current.successor, APIKey.successor == current.id)
        for other in await session.scalars(select(APIKey).where(related)):
            if other.id not in seen:
                seen.add(other.id)
                pending.append(other)
        await _end(session, current, actor)


async def revoke_all_of_wallet(session: AsyncSession, owner: Principal, actor: Actor) -> Ended:
    """Revoke every key and token of a wallet, whichever way it got them, and end its sessions.

    Raises PermissionDeniedError for any credential but the wallet's signature: a key of the wallet
    may have fewer rights than the keys that it would end.
    """
    if owner.credential != "signature":
        raise PermissionDeniedError(
            "Ending all keys and tokens of a wallet needs the wallet's signature: send the headers "
            "X-ETH-Address, X-ETH-Message and X-ETH-Signature. A single key ends with "
            "DELETE /api/keys/{id}, all tokens with DELETE /api/auth/tokens."
        )
    ended = 0
    # A transaction that creates a key with one of these has that one's row locked. Repeated, so
    # that keys which such a transaction has created meanwhile are revoked too.
    query = (
        select(APIKey)
        .where(APIKey.principal == owner.id, APIKey.revoked_at.is_(None))
        .order_by(APIKey.id)
        .with_for_update()
    )
    while keys := (await session.scalars(query)).all():
        for key in keys:
            await _end(session, key, actor)
        await session.flush()
        ended += len(keys)
    return Ended(
        ended,
        await revoke_tokens(session, owner, actor),
        await sessions.end_all(session, owner, actor),
    )


async def revoke_tokens(session: AsyncSession, owner: Principal, actor: Actor) -> int:
    """Remove all access tokens of the caller's principal: how many there were."""
    ids = (
        await session.scalars(
            delete(AccessToken).where(AccessToken.principal == owner.id).returning(AccessToken.id)
        )
    ).all()
    if ids:
        await usage.remove(session, QuotaKind.TOKENS, {owner.tenant: len(ids)})
        record(session, actor, "tokens.revoked", owner.id, owner.tenant, count=len(ids))
    for token_id in ids:
        await notify_changed(session, token_id)
    return len(ids)


async def _end(session: AsyncSession, key: APIKey, actor: Actor) -> None:
    if key.revoked_at is None:
        key.revoked_at = now()
        record(session, actor, "key.revoked", key.id, key.tenant)
    await notify_changed(session, key.id)
