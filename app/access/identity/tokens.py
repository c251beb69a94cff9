"""Tokens for wallets: a signature is exchanged once, the token serves for up to an hour."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.key_format import new_token
from app.access.identity.models import AccessToken, Nonce
from app.access.identity.peppers import Peppers
from app.access.tenants import service as tenants
from app.core.errors import PermissionDeniedError, SpentSignatureError
from app.core.request.actor import Actor
from app.core.request.principal import WALLET_SCOPES, Scope
from app.database.engine import now

NONCE_LIFETIME = timedelta(minutes=10)


async def new_nonce(session: AsyncSession) -> Nonce:
    """A nonce for one SIWE message: 24 hexadecimal digits."""
    nonce = Nonce(value=secrets.token_hex(12), expires_at=now() + NONCE_LIFETIME)
    session.add(nonce)
    return nonce


async def spend_nonce(session: AsyncSession, value: str) -> None:
    """Use up a nonce. Raises SpentSignatureError for one that is unknown, spent or too old."""
    expires_at = await session.scalar(
        delete(Nonce).where(Nonce.value == value).returning(Nonce.expires_at)
    )
    if expires_at is None or expires_at <= now():
        raise SpentSignatureError(
            "The message's nonce is unknown, used or older than ten minutes. Take a new one from "
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
    signed_until: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A new token of a wallet: its record and the token itself.

    signed_until: the end that the wallet's own message sets, if it sets one.
    Raises PermissionDeniedError for a scope that no wallet has.
    """
    wanted = frozenset(scopes) if scopes is not None else WALLET_SCOPES
    if not wanted <= WALLET_SCOPES:
        raise PermissionDeniedError("A wallet cannot have the scope admin. Ask for the others.")
    principal = f"wallet:{address}"
    tenant, _ = await tenants.ensure(session, address.lower(), actor)
    secret = new_token()
    at = now()
    expires_at = at + timedelta(seconds=seconds)
    token = AccessToken(
        id=secrets.token_hex(8),
        principal=principal,
        address=address,
        tenant=tenant.name,
        scopes=[scope.value for scope in Scope if scope in wanted],
        digest=peppers.digest(secret),
        pepper_version=peppers.version,
        created_at=at,
        expires_at=min(expires_at, signed_until) if signed_until else expires_at,
    )
    session.add(token)
    record(session, actor, "token.issued", token.id, token.tenant, scopes=token.scopes)
    await session.flush()
    return token, secret
