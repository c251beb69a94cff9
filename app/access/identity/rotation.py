"""Replaces the secret of a key."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.credential_cache import notify_changed
from app.access.identity.keys import earlier, new_key_row, own_key, state
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.quotas import usage
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.core.errors import ConflictError, PermissionDeniedError
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now


async def rotate(
    session: AsyncSession,
    peppers: Peppers,
    key: APIKey,
    overlap: timedelta,
    actor: Actor,
    *,
    until: datetime | None = None,
    quotas: Quotas | None = None,
) -> tuple[APIKey, str]:
    """Create the successor of a key, with the same rights; return its row and its secret.

    The successor ends when the key would have ended, so that no number of rotations makes a key
    last longer. overlap: how long the old key keeps working, if it does not end before. until: the
    latest end of the successor. quotas: those that apply; None for an admin. Raises ConflictError
    for a key that is not active, or was rotated before, and as `Quotas.reserve` does.
    """
    at = now()
    current = state(key, at)
    if current != "active" or key.successor is not None:
        raise ConflictError(
            f"Key {key.id} is {'rotated' if key.successor else current} and cannot be rotated. "
            "Issue a new key instead."
        )
    if quotas is None:
        await usage.add(session, key.tenant, QuotaKind.KEYS)
    else:
        await quotas.reserve(session, actor, key.tenant, {QuotaKind.KEYS: 1})
    if key.parent is not None:
        # A key never outlives the key that it was created with.
        parent = await session.get_one(APIKey, key.parent)
        until = earlier(until, parent.expires_at)
    successor, secret = new_key_row(
        peppers,
        principal=key.principal,
        tenant=key.tenant,
        name=key.name,
        scopes=[Scope(scope) for scope in key.scopes],
        rate_limit=key.rate_limit,
        networks=key.allowed_networks,
        expires_at=earlier(key.expires_at, until),
        parent=key.parent,
        actor=actor,
        may_issue=key.may_issue,
    )
    session.add(successor)
    await session.flush()
    key.successor = successor.id
    key.expires_at = earlier(key.expires_at, at + overlap)
    # So that revoking the successor revokes the keys created with the old key too.
    for child in await session.scalars(select(APIKey).where(APIKey.parent == key.id)):
        child.parent = successor.id
    record(session, actor, "key.rotated", key.id, key.tenant, successor=successor.id)
    await notify_changed(session, key.id)
    return successor, secret


async def rotate_own(
    session: AsyncSession,
    peppers: Peppers,
    owner: Principal,
    key_id: str,
    overlap: timedelta,
    actor: Actor,
    *,
    default_limit: int,
    signed_in: bool,
    quotas: Quotas,
) -> tuple[APIKey, str]:
    """Rotate a key of the caller's own principal.

    signed_in: whether the caller's wallet has signed a SIWE message for this. Raises as `rotate`
    and `own_key` do, and PermissionDeniedError where the message of X-ETH-* headers would rotate a
    key that lives longer than those that it can create.
    """
    key, until = await own_key(
        session, key_id, owner, default_limit, issuing=True, signed_in=signed_in
    )
    if owner.is_wallet and key.may_issue and not signed_in:
        raise PermissionDeniedError(
            f"Key {key.id} may live longer than a day, so rotating it needs a SIWE message of the "
            "wallet for this gateway: add it as `siwe` to the body, or rotate the key with itself."
        )
    return await rotate(session, peppers, key, overlap, actor, until=until, quotas=quotas)
