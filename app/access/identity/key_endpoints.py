"""The endpoints for API keys: the caller's own at /api/keys, all keys at /api/admin/keys."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, status

from app.access.identity import keys
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.models import APIKey
from app.access.identity.schemas import (
    AdminKeyRequest,
    IssuedKey,
    KeyRequest,
    KeyView,
    RotateRequest,
)
from app.access.tenants.new_wallets import NewWallets
from app.access.tenants.workspaces import Workspaces
from app.core.app_state import state_of
from app.core.settings import Settings
from app.database.engine import now
from app.rest.dependencies import Admin, Caller, ChangeSession, CurrentActor, Session
from app.rest.fields import Label
from app.rest.pagination import Cursor, Page, PageSize, decode_cursor

router = APIRouter(prefix="/api", tags=["keys"])
admin_router = APIRouter(prefix="/api", tags=["admin"])

Limit = Annotated[PageSize, Query()]


@router.post("/keys", status_code=status.HTTP_201_CREATED)
async def create_own_key(
    request: Request,
    body: KeyRequest,
    owner: Caller,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
) -> IssuedKey:
    """Create a key for the caller. It shares the caller's rate limit and has no more rights."""
    limit = state_of(request)[Settings].rate_limit
    new_wallets = state_of(request)[NewWallets]
    return issued(*await keys.issue_own(session, peppers, owner, limit, body, actor, new_wallets))


@router.get("/keys")
async def list_own_keys(
    owner: Caller, session: Session, cursor: Cursor = None, limit: Limit = 100
) -> Page[KeyView]:
    """List the caller's own keys: those of the same principal."""
    return await _page(session, principal=owner.id, cursor=cursor, limit=limit)


@router.post("/keys/{key_id}/rotate", status_code=status.HTTP_201_CREATED)
async def rotate_own_key(
    request: Request,
    key_id: Label,
    owner: Caller,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
    body: RotateRequest | None = None,
) -> IssuedKey:
    """Replace one of the caller's own keys; the old key keeps working for the overlap."""
    limit = state_of(request)[Settings].rate_limit
    key, until = await keys.get_own_key(session, key_id, owner, limit)
    return await _rotate(session, peppers, key, body, actor, until)


@router.delete("/keys/{key_id}", status_code=status.HTTP_204_NO_CONTENT)
async def revoke_own_key(
    request: Request, key_id: Label, owner: Caller, session: ChangeSession, actor: CurrentActor
) -> None:
    """Revoke one of the caller's own keys, and the keys that were created with it."""
    limit = state_of(request)[Settings].rate_limit
    key, _ = await keys.get_own_key(session, key_id, owner, limit)
    await keys.revoke(session, key, actor)


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


@admin_router.get("/admin/keys")
async def list_keys(
    _: Admin,
    session: Session,
    tenant: Label | None = None,
    principal: Label | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[KeyView]:
    """List all keys, or those of a tenant or principal."""
    return await _page(session, principal=principal, tenant=tenant, cursor=cursor, limit=limit)


@admin_router.post("/admin/keys/{key_id}/rotate", status_code=status.HTTP_201_CREATED)
async def rotate_key(
    key_id: Label,
    _: Admin,
    session: ChangeSession,
    peppers: CurrentPeppers,
    actor: CurrentActor,
    body: RotateRequest | None = None,
) -> IssuedKey:
    """Replace a key; the old key keeps working for the overlap."""
    key = await keys.get_key(session, key_id)
    return await _rotate(session, peppers, key, body, actor)


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
    await keys.revoke(
        session, await keys.get_key(session, key_id), actor, rotation_chain=rotation_chain
    )


async def _rotate(
    session: Session,
    peppers: CurrentPeppers,
    key: APIKey,
    body: RotateRequest | None,
    actor: CurrentActor,
    until: datetime | None = None,
) -> IssuedKey:
    overlap = timedelta(seconds=(body or RotateRequest()).overlap_seconds)
    return issued(*await keys.rotate(session, peppers, key, overlap, actor, until=until))


async def _page(
    session: Session,
    *,
    principal: str | None = None,
    tenant: str | None = None,
    cursor: str | None,
    limit: int,
) -> Page[KeyView]:
    found = await keys.list_keys(
        session,
        principal=principal,
        tenant=tenant,
        after=decode_cursor(cursor) if cursor else None,
        limit=limit,
    )
    return Page.of(found, limit, key=lambda key: key.id, view=view)


def view(key: APIKey) -> KeyView:
    """A key as lists show it."""
    return KeyView.model_validate({**_columns(key), "state": keys.state(key, now())})


def issued(key: APIKey, secret: str) -> IssuedKey:
    """A new key with its secret, which is shown only once."""
    return IssuedKey.model_validate({**_columns(key), "state": "active", "key": secret})


def _columns(key: APIKey) -> dict[str, object]:
    return {name: getattr(key, name) for name in KeyView.model_fields if name != "state"}
