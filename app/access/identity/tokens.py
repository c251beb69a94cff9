"""Tokens for wallets, valid for up to an hour, and the nonces of SIWE messages."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.key_format import new_token
from app.access.identity.models import AccessToken, Nonce
from app.access.identity.peppers import Peppers
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.access.tenants import service as tenants
from app.access.tenants.new_wallets import NewWallets
from app.core.errors import PermissionDeniedError, SpentSignatureError
from app.core.request.actor import Actor
from app.core.request.principal import WALLET_SCOPES, Scope
from app.database.engine import now

NONCE_LIFETIME = timedelta(minutes=10)


async def new_nonce(session: AsyncSession) -> Nonce:
    """Create a nonce for one SIWE message: 24 hexadecimal digits."""
    nonce = Nonce(value=secrets.token_hex(12), expires_at=now() + NONCE_LIFETIME)
    session.add(nonce)
    return nonce


async def consume_nonce(session: AsyncSession, value: str) -> None:
    """Consume a nonce. Raises SpentSignatureError if it is unknown, used or expired."""
    expires_at = await session.scalar(
        delete(Nonce).where(Nonce.value == value).returning(Nonce.expires_at)
    )
    if expires_at is None or expires_at <= now():
        raise SpentSignatureError(
            "The message's nonce is unknown, used or older than ten minutes. Get a new one from "
            "GET /api/auth/nonce and sign again."
        )


async def issue(
    session: AsyncSession,
    peppers: Peppers,
    address: str,
    scopes: Sequence[Scope] | None,
    seconds: int,
    actor: Actor,
    *,
    new_wallets: NewWallets,
    quotas: Quotas,
    expires_by: datetime | None = None,
) -> tuple[AccessToken, str]:
    """Create a token for a wallet; return its row and its secret.

    address: with the checksum of EIP-55. scopes: None for all scopes of a wallet. seconds: its
    lifetime. expires_by: the latest end, if the wallet's message sets one (Expiration Time). Raises
    PermissionDeniedError for a scope that wallets cannot have, TooManyWalletsError, and as
    `Quotas.reserve` does.
    """
    requested = frozenset(scopes) if scopes is not None else WALLET_SCOPES
    if not requested <= WALLET_SCOPES:
        raise PermissionDeniedError("A wallet cannot have the scope admin. Request the others.")
    principal = f"wallet:{address}"
    await new_wallets.admit(session, address.lower(), actor)
    tenant, _ = await tenants.ensure(session, address.lower(), actor)
    await quotas.reserve(session, actor, tenant.name, {QuotaKind.TOKENS: 1})
    secret = new_token()
    at = now()
    expires_at = at + timedelta(seconds=seconds)
    token = AccessToken(
        id=secrets.token_hex(8),
        principal=principal,
        address=address,
        tenant=tenant.name,
        scopes=[scope.value for scope in Scope if scope in requested],
        digest=peppers.digest(secret),
        pepper_version=peppers.version,
        created_at=at,
        expires_at=min(expires_at, expires_by) if expires_by else expires_at,
    )
    session.add(token)
    record(session, actor, "token.issued", token.id, token.tenant, scopes=token.scopes)
    await session.flush()
    return token, secret
