"""Issues, lists, rotates and revokes API keys."""

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
from app.access.tenants.new_wallets import NewWallets
from app.core.errors import ConflictError, NotFoundError, PermissionDeniedError, RevokedKeyError
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now

# The longest lifetime of a key that is created with a wallet's signature.
WALLET_KEY_DAYS = 90


def state(key: APIKey, at: datetime) -> str:
    """The state of a key at a time: `active`, `expired`, `revoked` or `rotated`."""
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
    """Create a key for a tenant, with a new principal; return its row and its secret.

    secret: the secret, if it was generated beforehand. Raises UnprocessableError for an invalid
    name of a tenant.
    """
    tenant, _ = await tenants.ensure(session, request.tenant, actor)
    identifier = _identifier()
    key, secret = _new_key(
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
    owner: Principal,
    default_limit: int,
    request: KeyRequest,
    actor: Actor,
    new_wallets: NewWallets,
) -> tuple[APIKey, str]:
    """Create a key for the caller's own principal; return its row and its secret.

    Its scopes, rate limit, lifetime and networks do not exceed those of the caller's credential.
    default_limit: the rate limit of a principal that has none of its own. Raises
    PermissionDeniedError if the request exceeds the credential, or if the credential is a token;
    TooManyWalletsError.
    """
    parent = await _lock_credential(session, owner)
    scopes = request.scopes if request.scopes is not None else sorted(owner.scopes)
    above = sorted(set(scopes) - owner.scopes)
    if above:
        raise PermissionDeniedError(
            f"Your credential does not have the scope {', '.join(above)}, so neither can a key of "
            "yours."
        )
    own_limit = owner.rate_limit or default_limit
    if request.rate_limit is not None and request.rate_limit > own_limit:
        raise PermissionDeniedError(
            f"A key of yours cannot have a limit above your own of {own_limit} requests a minute."
        )
    expires_at = _expiry(request.expires_in_days)
    if owner.credential == "signature":
        # A signed message names no host. A site that has got one could create a permanent key.
        expires_at = _earlier(expires_at, _expiry(WALLET_KEY_DAYS))
    networks: Sequence[str] = request.allowed_networks
    if parent is not None:
        expires_at = _earlier(expires_at, parent.expires_at)
        networks = _restrict_networks(networks, parent.allowed_networks)
    await new_wallets.admit(session, owner.tenant, actor)
    tenant, _ = await tenants.ensure(session, owner.tenant, actor)
    key, secret = _new_key(
        peppers,
        identifier=_identifier(),
        principal=owner.id,
        tenant=tenant.name,
        name=request.name,
        scopes=scopes,
        rate_limit=request.rate_limit or owner.rate_limit,
        networks=networks,
        expires_at=expires_at,
        parent=parent.id if parent else None,
        actor=actor,
    )
    await _save(session, key, actor, "key.created")
    return key, secret


async def list_keys(
    session: AsyncSession,
    *,
    principal: str | None = None,
    tenant: str | None = None,
    after: str | None = None,
    limit: int,
) -> Sequence[APIKey]:
    """Keys ordered by id, of a principal, of a tenant, or all; one more than `limit` if there are
    more. after: only keys whose ids come after this one.
    """
    query = select(APIKey).order_by(APIKey.id).limit(limit + 1)
    if principal is not None:
        query = query.where(APIKey.principal == principal)
    if tenant is not None:
        query = query.where(APIKey.tenant == tenant)
    if after is not None:
        query = query.where(APIKey.id > after)
    return (await session.scalars(query)).all()


async def get_key(session: AsyncSession, key_id: str, *, principal: str | None = None) -> APIKey:
    """A key by its id, with its row locked. principal: only a key of this principal.

    Raises NotFoundError, with the same message for a key of another principal as for an unknown id.
    """
    query = select(APIKey).where(APIKey.id == key_id).with_for_update()
    if principal is not None:
        query = query.where(APIKey.principal == principal)
    key = await session.scalar(query)
    if key is None:
        whose = " of yours" if principal is not None else ""
        # The id is not repeated: it may be a secret that was sent in the wrong place.
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
    """Create the successor of a key, with the same rights; return its row and its secret.

    The successor's lifetime is as long as the old key's was. overlap: how long the old key keeps
    working, if it does not expire before. until: the latest time at which the successor expires.
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
        # A key never outlives the key that it was created with, however often it is rotated.
        parent = await session.get_one(APIKey, key.parent)
        until = _earlier(until, parent.expires_at)
    successor, secret = _new_key(
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
    # So that revoking the successor revokes the keys created with the old key too.
    for child in await session.scalars(select(APIKey).where(APIKey.parent == key.id)):
        child.parent = successor.id
    record(session, actor, "key.rotated", key.id, key.tenant, successor=successor.id)
    await _notify(session, key.id)
    return successor, secret


async def revoke(
    session: AsyncSession, key: APIKey, actor: Actor, *, rotation_chain: bool = False
) -> None:
    """Revoke a key and every key that was created with it, directly or indirectly. Idempotent.

    rotation_chain: also the keys that it was rotated to or from.
    """
    pending, seen = [key], {key.id}
    at = now()
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
        if current.revoked_at is None:
            current.revoked_at = at
            record(session, actor, "key.revoked", current.id, current.tenant)
        await _notify(session, current.id)


async def get_own_key(
    session: AsyncSession, key_id: str, owner: Principal, default_limit: int
) -> tuple[APIKey, datetime | None]:
    """A key of the caller's own principal, with its row locked, and when a successor of it has to
    expire at the latest (None for no bound).

    Raises NotFoundError, and PermissionDeniedError for a key that has more rights than the caller's
    credential: by rotating it the caller would gain them.
    """
    credential = await _lock_credential(session, owner, key_id)
    key = await get_key(session, key_id, principal=owner.id)
    above = sorted(set(key.scopes) - owner.scopes)
    if above:
        raise PermissionDeniedError(
            f"Key {key.id} has the scope {', '.join(above)}, which your credential does not have."
        )
    if (key.rate_limit or default_limit) > (owner.rate_limit or default_limit):
        raise PermissionDeniedError(f"Key {key.id} has a higher rate limit than your credential.")
    if credential is None or credential.id == key.id:
        return key, None
    if credential.allowed_networks and not key.allowed_networks:
        raise PermissionDeniedError(f"Key {key.id} works from any address, and yours does not.")
    _restrict_networks(key.allowed_networks, credential.allowed_networks)
    return key, credential.expires_at


async def _lock_credential(
    session: AsyncSession, owner: Principal, other: str | None = None
) -> APIKey | None:
    """The key that the caller authenticated with, with its row locked; None for a signature.

    The lock makes a concurrent revocation of the key wait, so that it includes the keys that are
    being created with it. other: the id of a second key that is going to be changed. Both rows are
    locked in a fixed order, so that two callers cannot deadlock. Raises PermissionDeniedError for a
    token, which must not create keys that outlive it.
    """
    if owner.credential == "signature":
        return None
    ids = {owner.credential, other} - {None}
    query = select(APIKey).where(APIKey.id.in_(ids), APIKey.principal == owner.id)
    locked = await session.scalars(query.order_by(APIKey.id).with_for_update())
    key = next((key for key in locked if key.id == owner.credential), None)
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


async def _notify(session: AsyncSession, key_id: str) -> None:
    """Make every worker remove a key from its cache when the transaction commits.

    The other workers are notified by PostgreSQL; this one does not wait for that: see
    `ChangeTransactions`.
    """
    session.info.setdefault(CHANGED, []).append(key_id)
    await session.execute(
        text("select pg_notify(:channel, :key)"), {"channel": CHANNEL, "key": key_id}
    )


def _new_key(
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
    """The earlier of two times, where None means never."""
    return min((time for time in (one, other) if time is not None), default=None)


def _restrict_networks(requested: Sequence[str], own: Sequence[str]) -> Sequence[str]:
    """The networks of a key that is created by a key with the networks `own`; empty: anywhere.

    Raises PermissionDeniedError for a requested network that is not within `own`.
    """
    if not own:
        return requested
    for requested_network in requested:
        network = ip_network(requested_network)
        if not any(
            network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]
            for outer in map(ip_network, own)
        ):
            raise PermissionDeniedError(
                f"{requested_network} is not within the networks of your own key: {', '.join(own)}."
            )
    return requested or own
