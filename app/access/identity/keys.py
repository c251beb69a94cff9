"""Issues, lists and changes API keys."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.credential_cache import notify_changed
from app.access.identity.key_format import hint, new_key
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest, KeyRequest
from app.access.quotas import usage
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.access.tenants import service as tenants
from app.access.tenants.new_wallets import NewWallets
from app.core.errors import (
    NotFoundError,
    PermissionDeniedError,
    RevokedKeyError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now

# The longest lifetime of a key that a wallet creates with a SIWE message, which names this gateway.
WALLET_KEY_DAYS = 90
# The same with the message of X-ETH-* headers. It names no host: a site that is shown one for a
# read could create a key with it.
MESSAGE_KEY_DAYS = 1
# The lifetime of a key for which none is requested.
DEFAULT_KEY_DAYS = 90


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
    await usage.add(session, tenant.name, QuotaKind.KEYS)
    key, secret = new_key_row(
        peppers,
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
    request: KeyRequest,
    actor: Actor,
    *,
    default_limit: int,
    signed_in: bool,
    new_wallets: NewWallets,
    quotas: Quotas,
) -> tuple[APIKey, str]:
    """Create a key for the caller's own principal; return its row and its secret.

    Its scopes, rate limit, lifetime and networks do not exceed those of the caller's credential.
    default_limit: the rate limit of a principal that has none of its own. signed_in: whether the
    caller's wallet has signed a SIWE message for this key. Raises PermissionDeniedError if the
    request exceeds the credential, also in its lifetime, or the credential creates no keys;
    TooManyWalletsError; and as `Quotas.reserve` does.
    """
    parent = await _lock_credential(session, owner, issuing=True, signed_in=signed_in)
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
    networks: Sequence[str] = request.allowed_networks
    if parent is not None:
        networks = _restrict_networks(networks, parent.allowed_networks)
    expires_at = _own_expiry(request, parent, signed_in=signed_in)
    await new_wallets.admit(session, owner.tenant, actor)
    tenant, _ = await tenants.ensure(session, owner.tenant, actor)
    await quotas.reserve(session, actor, tenant.name, {QuotaKind.KEYS: 1})
    key, secret = new_key_row(
        peppers,
        principal=owner.id,
        tenant=tenant.name,
        name=request.name,
        scopes=scopes,
        rate_limit=request.rate_limit or owner.rate_limit,
        networks=networks,
        expires_at=expires_at,
        parent=parent.id if parent else None,
        actor=actor,
        may_issue=parent is not None or signed_in,
    )
    await _save(session, key, actor, "key.created")
    return key, secret


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


async def change_limit(
    session: AsyncSession, key: APIKey, rate_limit: int | None, actor: Actor, *, default_limit: int
) -> None:
    """Change how many requests per window a key may send; None for the default.

    Keys that were created with it, directly or indirectly, and have a higher limit get the new one
    too, since a key never has more rights than the one that it was created with. default_limit: the
    limit of a key that has none of its own.
    """
    limit = rate_limit or default_limit
    pending = [key]
    while pending:
        current = pending.pop()
        if current is key or (current.rate_limit or default_limit) > limit:
            record(
                session,
                actor,
                "key.limit_changed",
                current.id,
                current.tenant,
                rate_limit=rate_limit,
                before=current.rate_limit,
            )
            current.rate_limit = rate_limit
            await notify_changed(session, current.id)
        created_with = select(APIKey).where(APIKey.parent == current.id).with_for_update()
        pending += await session.scalars(created_with)


async def own_key(
    session: AsyncSession,
    key_id: str,
    owner: Principal,
    default_limit: int,
    *,
    issuing: bool = False,
    signed_in: bool = False,
) -> tuple[APIKey, datetime | None]:
    """A key of the caller's own principal, with its row locked, and when a successor of it has to
    expire at the latest (None for no bound).

    issuing, signed_in: see `_lock_credential`. Raises NotFoundError, and PermissionDeniedError for
    a key that has more rights than the caller's credential: by rotating it the caller would gain
    them.
    """
    credential = await _lock_credential(
        session, owner, key_id, issuing=issuing, signed_in=signed_in
    )
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
    session: AsyncSession,
    owner: Principal,
    other: str | None = None,
    *,
    issuing: bool,
    signed_in: bool,
) -> APIKey | None:
    """The key that the caller authenticated with, with its row locked; None for a wallet.

    The lock makes a concurrent revocation of the key wait, so that it includes the keys that are
    being created with it. other: the id of a second key that is going to be changed. Both rows are
    locked in a fixed order, so that two callers cannot deadlock. issuing: whether the caller wants
    a new key. signed_in: whether its wallet has signed a SIWE message for that, so that the other
    credential does not matter. Raises PermissionDeniedError for a token, which must not create keys
    that outlive it, and where `issuing` for a key that creates none.
    """
    if signed_in or owner.is_wallet:
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
    if issuing and not key.may_issue:
        raise PermissionDeniedError(
            "This key was created without a SIWE message of its wallet, so it creates and rotates "
            "no keys. Sign the request with the wallet instead."
        )
    return key


def _own_expiry(request: KeyRequest, parent: APIKey | None, *, signed_in: bool) -> datetime | None:
    """When a caller's own key ends: as requested, or as late as possible up to DEFAULT_KEY_DAYS.

    Raises PermissionDeniedError for a request above the longest lifetime, which is not shortened
    silently.
    """
    if parent is not None:
        latest = parent.expires_at
        why = f"until {latest}, when the key ends that it is created with"
    elif signed_in:
        latest = _expiry(WALLET_KEY_DAYS)
        why = f"for {WALLET_KEY_DAYS} days at most, as every key that a wallet creates"
    else:
        latest = _expiry(MESSAGE_KEY_DAYS)
        why = (
            "for a day at most without a SIWE message of the wallet for it; with one in `siwe` it "
            f"can be {WALLET_KEY_DAYS} days"
        )
    if "expires_in_days" not in request.model_fields_set:
        return earlier(_expiry(DEFAULT_KEY_DAYS), latest)
    asked = _expiry(request.expires_in_days)
    if latest is not None and (asked is None or asked > latest + timedelta(minutes=1)):
        raise PermissionDeniedError(
            f"expires_in_days is too long: this key can be valid {why}. Leave expires_in_days out "
            "for the longest time."
        )
    return earlier(asked, latest)


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


def new_key_row(
    peppers: Peppers,
    *,
    tenant: str,
    name: str,
    scopes: Sequence[Scope],
    rate_limit: int | None,
    networks: Sequence[str],
    expires_at: datetime | None,
    parent: str | None,
    actor: Actor,
    principal: str | None = None,
    may_issue: bool = True,
    secret: str | None = None,
) -> tuple[APIKey, str]:
    """The row of a new key, and its secret. principal: by default, a new one."""
    secret = secret or new_key()
    identifier = secrets.token_hex(8)
    key = APIKey(
        id=identifier,
        principal=principal or f"key:{identifier}",
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
        may_issue=may_issue,
        expires_at=expires_at,
    )
    return key, secret


def _expiry(days: int | None) -> datetime | None:
    return None if days is None else now() + timedelta(days=days)


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
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
