"""The endpoints for API keys: the caller's own at /api/keys, all keys at /api/admin/keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, status
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.access.identity import key_listing, keys, revocation, rotation, sign_in, tokens
from app.access.identity.contract_wallets import ContractWallets
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.key_views import issued, view
from app.access.identity.schemas import (
    AdminKeyRequest,
    EndedCredentials,
    IssuedKey,
    KeyChange,
    KeyRequest,
    KeyView,
    OwnRotateRequest,
    RotateRequest,
    SIWEProof,
)
from app.access.quotas.service import Quotas
from app.access.tenants.new_wallets import NewWallets
from app.access.tenants.workspaces import Workspaces
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.core.request.principal import Principal
from app.core.settings import Settings
from app.rest.dependencies import (
    Admin,
    Caller,
    ChangeSession,
    ChangeTransaction,
    CurrentActor,
    CurrentReads,
)
from app.rest.fields import Label
from app.rest.pagination import Cursor, Page, PageSize

router = APIRouter(prefix="/api", tags=["keys"])
admin_router = APIRouter(prefix="/api", tags=["admin"])

Limit = Annotated[PageSize, Query()]


@router.post("/keys", status_code=status.HTTP_201_CREATED)
async def create_own_key(
    request: Request,
    body: KeyRequest,
    owner: Caller,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> IssuedKey:
    """Create a key for the caller. It shares the caller's rate limit and has no more rights."""
    state = state_of(request)
    async with _change(request, owner, body.siwe) as (session, signed_in):
        key, secret = await keys.issue_own(
            session,
            peppers,
            owner,
            body,
            actor,
            default_limit=state[Settings].rate_limit,
            signed_in=signed_in,
            new_wallets=state[NewWallets],
            quotas=state[Quotas],
        )
    return issued(key, secret)


@router.get("/keys", response_model=Page[KeyView])
async def list_own_keys(
    owner: Caller, reads: CurrentReads, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """List the caller's own keys: those of the same principal."""
    return await key_listing.list_keys(reads, principal=owner.id, cursor=cursor, limit=limit)


@router.delete("/keys")
async def revoke_all(
    owner: Caller, session: ChangeSession, actor: CurrentActor
) -> EndedCredentials:
    """Revoke every key and token of the caller's wallet, and end its sessions.

    Needs the wallet's signature.
    """
    ended = await revocation.revoke_all_of_wallet(session, owner, actor)
    return EndedCredentials(keys=ended.keys, tokens=ended.tokens, sessions=ended.sessions)


@router.post("/keys/{key_id}/rotate", status_code=status.HTTP_201_CREATED)
async def rotate_own_key(
    request: Request,
    key_id: Label,
    owner: Caller,
    peppers: CurrentPeppers,
    actor: CurrentActor,
    body: OwnRotateRequest | None = None,
) -> IssuedKey:
    """Replace one of the caller's own keys; the old key keeps working for the overlap.

    The successor ends when the key would have ended.
    """
    state = state_of(request)
    options = body or OwnRotateRequest()
    async with _change(request, owner, options.siwe) as (session, signed_in):
        key, secret = await rotation.rotate_own(
            session,
            peppers,
            owner,
            key_id,
            timedelta(seconds=options.overlap_seconds),
            actor,
            default_limit=state[Settings].rate_limit,
            signed_in=signed_in,
            quotas=state[Quotas],
        )
    return issued(key, secret)


@router.delete("/keys/{key_id}", status_code=status.HTTP_204_NO_CONTENT)
async def revoke_own_key(
    request: Request,
    key_id: Label,
    owner: Caller,
    session: ChangeSession,
    actor: CurrentActor,
    rotation_chain: bool = False,
) -> None:
    """Revoke one of the caller's own keys, and the keys that were created with it.

    `rotation_chain`: also the keys that it was rotated to or from. For a stolen key, which the
    thief may have rotated.
    """
    limit = state_of(request)[Settings].rate_limit
    key, _ = await keys.own_key(session, key_id, owner, limit)
    await revocation.revoke(session, key, actor, rotation_chain=rotation_chain)


@admin_router.post("/admin/keys", status_code=status.HTTP_201_CREATED)
async def create_key(
    request: Request,
    body: AdminKeyRequest,
    _: Admin,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> IssuedKey:
    """Create a key for a tenant, which is created if it does not exist."""
    workspaces = state_of(request)[Workspaces]
    await workspaces.try_ensure(body.tenant, actor)
    return issued(*await keys.issue(session, peppers, body, actor))


@admin_router.get("/admin/keys", response_model=Page[KeyView])
async def list_keys(
    _: Admin,
    reads: CurrentReads,
    tenant: Label | None = None,
    principal: Label | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List all keys, or those of a tenant or principal."""
    return await key_listing.list_keys(
        reads, principal=principal, tenant=tenant, cursor=cursor, limit=limit
    )


@admin_router.patch("/admin/keys/{key_id}")
async def change_key(
    request: Request,
    key_id: Label,
    body: KeyChange,
    _: Admin,
    session: ChangeSession,
    actor: CurrentActor,
) -> KeyView:
    """Change the rate limit of a key. Every gateway applies it within a second."""
    key = await keys.get_key(session, key_id)
    default_limit = state_of(request)[Settings].rate_limit
    await keys.change_limit(session, key, body.rate_limit, actor, default_limit=default_limit)
    return view(key)


@admin_router.post("/admin/keys/{key_id}/rotate", status_code=status.HTTP_201_CREATED)
async def rotate_key(
    key_id: Label,
    _: Admin,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
    body: RotateRequest | None = None,
) -> IssuedKey:
    """Replace a key; the old key keeps working for the overlap.

    The successor ends when the key would have ended.
    """
    key = await keys.get_key(session, key_id)
    overlap = timedelta(seconds=(body or RotateRequest()).overlap_seconds)
    return issued(*await rotation.rotate(session, peppers, key, overlap, actor))


@admin_router.delete("/admin/keys/{key_id}", status_code=status.HTTP_204_NO_CONTENT)
async def revoke_key(
    key_id: Label,
    _: Admin,
    session: ChangeSession,
    actor: CurrentActor,
    rotation_chain: bool = False,
) -> None:
    """Revoke a key, and the keys that were created with it.

    `rotation_chain`: also the keys that it was rotated to or from. For a stolen key, which the
    thief may have rotated.
    """
    key = await keys.get_key(session, key_id)
    await revocation.revoke(session, key, actor, rotation_chain=rotation_chain)


@asynccontextmanager
async def _change(
    request: Request, owner: Principal, proof: SIWEProof | None
) -> AsyncIterator[tuple[AsyncSession, bool]]:
    """The transaction of a change, and whether the caller's wallet signed a SIWE message for it.

    The message is verified first: that may take a call of the chain, during which no connection to
    the database may be in use. Raises as `verify_siwe_of` and `consume_nonce` do.
    """
    state = state_of(request)
    signed = None
    if proof is not None:
        signed = await sign_in.verify_siwe_of(
            owner, proof.message, proof.signature, state[Settings], state[ContractWallets]
        )
    transaction = state[ChangeTransaction]
    async with transaction(context_of(request.scope).wallet_proof) as session:
        if signed is not None:
            await tokens.consume_nonce(session, signed.nonce)
        yield session, signed is not None
