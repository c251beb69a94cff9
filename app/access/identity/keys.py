"""API keys: issuing, listing, rotating, revoking."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.credential_cache import CHANGED, CHANNEL
from app.access.identity.key_format import hint, new_key
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest, KeyRequest
from app.access.tenants import service as tenants
from app.core.errors import ConflictError, NotFoundError, PermissionDeniedError, RevokedKeyError
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now

# The longest life of a key that a wallet's signature makes.
WALLET_KEY_DAYS = 90


def state(key: APIKey, at: datetime) -> str:
    """`active`, `expired`, `revoked` or `rotated`."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= at:
        return "rotated" if key.successor is not None else "expired"
    return "active"


async def issue(
    session: AsyncSession,
    peppers: Peppers,
    request: AdminKeyRequest,
    actor: Actor,
    *,
    secret: str | None = None,
) -> tuple[APIKey, str]:
    """A new key for a tenant, as an admin asks: the record and the key itself.

    The key speaks for a principal of its own. `secret` is a key that the caller made beforehand.
    """
    tenant, _ = await tenants.ensure(session, request.tenant, actor)
    identifier = _identifier()
    key, secret = _record(
        peppers,
        identifier=identifier,
        principal=f"key:{identifier}",
        tenant=tenant.name,
        name=request.name,
        scopes=request.scopes,
        rate_limit=request.rate_limit,
        networks=request.allowed_networks,
        expires_at=_expiry(request.expires_in_days),
        parent=None,
        actor=actor,
        secret=secret,
    )
    await _save(session, key, actor, "key.created")
    return key, secret


async def issue_own(
    session: AsyncSession,
    peppers: Peppers,
    holder: Principal,
    default_limit: int,
    request: KeyRequest,
    actor: Actor,
) -> tuple[APIKey, str]:
    """A new key that a principal makes for itself, in nothing above the credential it came with.

    Raises PermissionDeniedError where more was asked for.
    """
    parent = await _credential(session, holder)
    scopes = request.scopes if request.scopes is not None else sorted(holder.scopes)
    above = sorted(set(scopes) - holder.scopes)
    if above:
        raise PermissionDeniedError(
            f"Your credential does not have the scope {', '.join(above)}, so a key of yours cannot."
        )
    most = holder.rate_limit or default_limit
    if request.rate_limit is not None and request.rate_limit > most:
        raise PermissionDeniedError(
            f"A key of yours cannot have more than your own {most} requests a minute."
        )
    expires_at = _expiry(request.expires_in_days)
    if holder.credential == "signature":
        # A signed message names no host, and whoever saw it could make a key for good of it.
        expires_at = _earlier(expires_at, _expiry(WALLET_KEY_DAYS))
    networks: Sequence[str] = request.allowed_networks
    if parent is not None:
        expires_at = _earlier(expires_at, parent.expires_at)
        networks = _within(networks, parent.allowed_networks)
    tenant, _ = await tenants.ensure(session, holder.tenant, actor)
    key, secret = _record(
        peppers,
        identifier=_identifier(),
        principal=holder.id,
        tenant=tenant.name,
        name=request.name,
        scopes=scopes,
        rate_limit=request.rate_limit or holder.rate_limit,
        networks=networks,
        expires_at=expires_at,
        parent=parent.id if parent else None,
        actor=actor,
    )
    await _save(session, key, actor, "key.created")
    return key, secret


async def page(
    session: AsyncSession,
    *,
    principal: str | None = None,
    tenant: str | None = None,
    after: str | None = None,
    limit: int,
) -> Sequence[APIKey]:
    """Keys by id, one more than `limit` where there are more."""
    query = select(APIKey).order_by(APIKey.id).limit(limit + 1)
    if principal is not None:
        query = query.where(APIKey.principal == principal)
    if tenant is not None:
        query = query.where(APIKey.tenant == tenant)
    if after is not None:
        query = query.where(APIKey.id > after)
    return (await session.scalars(query)).all()


async def find(session: AsyncSession, key_id: str, *, principal: str | None = None) -> APIKey:
    """One key, locked for a change; with `principal`, only if it is that one's own.

    Raises NotFoundError, the same for an unknown key and for a foreign one.
    """
    query = select(APIKey).where(APIKey.id == key_id).with_for_update()
    if principal is not None:
        query = query.where(APIKey.principal == principal)
    key = await session.scalar(query)
    if key is None:
        whose = " of yours" if principal is not None else ""
        # Not repeated: it may be a key that was given where its id belongs.
        raise NotFoundError(f"There is no key{whose} with this id.")
    return key


async def rotate(
    session: AsyncSession,
    peppers: Peppers,
    key: APIKey,
    overlap: timedelta,
    actor: Actor,
    *,
    until: datetime | None = None,
) -> tuple[APIKey, str]:
    """A successor with the same rights and a lifetime of the same length, `until` at the latest;
    the old key works on for `overlap`, or until its own end if that is sooner.

    Raises ConflictError for a key that is not active, or was rotated before.
    """
    at = now()
    current = state(key, at)
    if current != "active" or key.successor is not None:
        raise ConflictError(
            f"Key {key.id} is {'rotated' if key.successor else current} and cannot be rotated. "
            "Issue a new key instead."
        )
    lifetime = key.expires_at - key.created_at if key.expires_at else None
    if key.parent is not None:
        # A key that was made with another never outlives it, however often it is rotated.
        parent = await session.get_one(APIKey, key.parent)
        until = _earlier(until, parent.expires_at)
    successor, secret = _record(
        peppers,
        identifier=_identifier(),
        principal=key.principal,
        tenant=key.tenant,
        name=key.name,
        scopes=[Scope(scope) for scope in key.scopes],
        rate_limit=key.rate_limit,
        networks=key.allowed_networks,
        expires_at=_earlier(at + lifetime if lifetime else None, until),
        parent=key.parent,
        actor=actor,
    )
    session.add(successor)
    await session.flush()
    key.successor = successor.id
    key.expires_at = _earlier(key.expires_at, at + overlap)
    # What the old key made stays with the line, and goes when the line is revoked.
    for child in await session.scalars(select(APIKey).where(APIKey.parent == key.id)):
        child.parent = successor.id
    record(session, actor, "key.rotated", key.id, key.tenant, successor=successor.id)
    await _tell(session, key.id)
    return successor, secret


async def revoke(
    session: AsyncSession, key: APIKey, actor: Actor, *, rotation_chain: bool = False
) -> None:
    """Revoke a key at once, and every key that its owner made with it. Idempotent.

    rotation_chain: also the keys it was rotated to or from, since a thief may have rotated it.
    """
    pending, seen = [key], {key.id}
    at = now()
    while pending:
        one = pending.pop()
        # Whoever makes a key with this one, or in its place, has it locked until theirs shows.
        await session.refresh(one, with_for_update=True)
        related = APIKey.parent == one.id
        if rotation_chain:
            related = or_(related, APIKey.id == one.successor, APIKey.successor == one.id)
        for other in await session.scalars(select(APIKey).where(related)):
            if other.id not in seen:
                seen.add(other.id)
                pending.append(other)
        if one.revoked_at is None:
            one.revoked_at = at
            record(session, actor, "key.revoked", one.id, one.tenant)
        await _tell(session, one.id)


async def find_own(
    session: AsyncSession, key_id: str, holder: Principal, default_limit: int
) -> tuple[APIKey, datetime | None]:
    """A key that speaks for the same principal as the holder's credential, locked for a change,
    and the latest end that its successor may have, None for no bound.

    Raises NotFoundError, and PermissionDeniedError for a key that may do more than the credential:
    rotating it would hand out what the holder does not have.
    """
    credential = await _credential(session, holder, key_id)
    key = await find(session, key_id, principal=holder.id)
    above = sorted(set(key.scopes) - holder.scopes)
    if above:
        raise PermissionDeniedError(
            f"Key {key.id} has the scope {', '.join(above)}, which your credential does not have."
        )
    if (key.rate_limit or default_limit) > (holder.rate_limit or default_limit):
        raise PermissionDeniedError(f"Key {key.id} has a higher rate limit than your credential.")
    if credential is None or credential.id == key.id:
        return key, None
    if credential.allowed_networks and not key.allowed_networks:
        raise PermissionDeniedError(f"Key {key.id} works from anywhere, and your own does not.")
    _within(key.allowed_networks, credential.allowed_networks)
    return key, credential.expires_at


async def _credential(
    session: AsyncSession, holder: Principal, other: str | None = None
) -> APIKey | None:
    """The key that a caller came with, locked; None for a wallet's signature.

    The lock keeps a revocation from missing the keys that are made with it meanwhile. `other` is a
    key that is to be changed: both are locked in one order, so that two callers cannot wait for
    each other. Raises PermissionDeniedError for a token: the keys that it made would outlive it.
    """
    if holder.credential == "signature":
        return None
    ids = {holder.credential, other} - {None}
    query = select(APIKey).where(APIKey.id.in_(ids), APIKey.principal == holder.id)
    locked = await session.scalars(query.order_by(APIKey.id).with_for_update())
    key = next((key for key in locked if key.id == holder.credential), None)
    if key is None:
        raise PermissionDeniedError(
            "A token cannot manage keys. Sign the request with the wallet instead."
        )
    if key.revoked_at is not None:
        raise RevokedKeyError("This API key was revoked. Ask an admin for a new one.")
    return key


async def _save(session: AsyncSession, key: APIKey, actor: Actor, action: str) -> None:
    session.add(key)
    record(
        session,
        actor,
        action,
        key.id,
        key.tenant,
        name=key.name,
        scopes=key.scopes,
        rate_limit=key.rate_limit,
        allowed_networks=key.allowed_networks,
        expires_at=key.expires_at.isoformat() if key.expires_at else None,
    )
    await session.flush()


async def _tell(session: AsyncSession, key_id: str) -> None:
    """Let every worker forget the key; PostgreSQL delivers it when the transaction commits.

    This one forgets it by then as well, without waiting for its turn: see dependencies.py.
    """
    session.info.setdefault(CHANGED, []).append(key_id)
    await session.execute(
        text("select pg_notify(:channel, :key)"), {"channel": CHANNEL, "key": key_id}
    )


def _record(
    peppers: Peppers,
    *,
    identifier: str,
    principal: str,
    tenant: str,
    name: str,
    scopes: Sequence[Scope],
    rate_limit: int | None,
    networks: Sequence[str],
    expires_at: datetime | None,
    parent: str | None,
    actor: Actor,
    secret: str | None = None,
) -> tuple[APIKey, str]:
    secret = secret or new_key()
    key = APIKey(
        id=identifier,
        principal=principal,
        tenant=tenant,
        name=name,
        scopes=[scope.value for scope in Scope if scope in scopes],
        digest=peppers.digest(secret),
        pepper_version=peppers.version,
        hint=hint(secret),
        rate_limit=rate_limit,
        allowed_networks=list(networks),
        parent=parent,
        created_at=now(),
        created_by=actor.principal,
        expires_at=expires_at,
    )
    return key, secret


def _identifier() -> str:
    return secrets.token_hex(8)


def _expiry(days: int | None) -> datetime | None:
    return None if days is None else now() + timedelta(days=days)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two ends, where None is no end."""
    return min((end for end in (one, other) if end is not None), default=None)


def _within(asked: Sequence[str], own: Sequence[str]) -> Sequence[str]:
    """The networks of a key, which must lie within those of whoever makes or changes it."""
    if not own:
        return asked
    for text_ in asked:
        network = ip_network(text_)
        if not any(
            network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]
            for outer in map(ip_network, own)
        ):
            raise PermissionDeniedError(
                f"{text_} is not within the networks of your own key: {', '.join(own)}."
            )
    return asked or own
