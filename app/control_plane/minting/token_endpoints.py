"""The endpoints with which admins reserve token ids and bind model numbers to them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, status

from app.control_plane.minting import bindings
from app.control_plane.minting.chain_registry import ChainRegistry
from app.control_plane.minting.schemas import BindingRequest, ReservationRequest, TokenView
from app.control_plane.registry import tokens
from app.control_plane.registry.fields import TokenId
from app.core.app_state import state_of
from app.rest.dependencies import Admin, ChangeSession, CurrentActor, Session
from app.rest.fields import Label
from app.rest.pagination import Cursor, Page, PageSize, decode_cursor

router = APIRouter(prefix="/api/admin/tokens", tags=["admin"])

TokenPath = Annotated[TokenId, Path()]


@router.get("")
async def list_tokens(
    _: Admin,
    session: Session,
    tenant: Label | None = None,
    cursor: Cursor = None,
    limit: Annotated[PageSize, Query()] = 100,
) -> Page[TokenView]:
    """List the token ids that a tenant holds or that are reserved, with their model numbers."""
    after = decode_cursor(cursor) if cursor else None
    rows = await tokens.list_tokens(session, tenant=tenant, after=after, limit=limit)
    bound = await bindings.find_all(session, [row.symbol for row in rows])
    return Page.of(
        rows,
        limit,
        key=lambda row: row.symbol,
        view=lambda row: TokenView.of(row, bound.get(row.symbol)),
    )


@router.put("/{token_id}")
async def reserve_token(
    token_id: TokenPath,
    body: ReservationRequest,
    _: Admin,
    session: ChangeSession,
    actor: CurrentActor,
) -> TokenView:
    """Reserve a token id for a tenant, or for nobody: other tenants cannot register it."""
    symbol = token_id.upper()
    token = await tokens.reserve(session, symbol, body.tenant, actor, reassign=body.reassign)
    return TokenView.of(token, await bindings.find(session, symbol))


@router.delete("/{token_id}", status_code=status.HTTP_204_NO_CONTENT)
async def end_reservation(
    token_id: TokenPath, _: Admin, session: ChangeSession, actor: CurrentActor
) -> None:
    """End the reservation of a token id. A tenant that has registered a model under it keeps it."""
    await bindings.end_reservation(session, token_id.upper(), actor)


@router.put("/{token_id}/model-number")
async def bind_token(
    request: Request,
    token_id: TokenPath,
    body: BindingRequest,
    _: Admin,
    session: ChangeSession,
    actor: CurrentActor,
) -> TokenView:
    """Bind a model number on the chain to a token id, in place of the one bound before.

    With HOKUSAI_RPC_URL it is checked against the chain's registry, else recorded as not checked.
    """
    symbol, number = token_id.upper(), body.chain_model_id
    # The session uses no connection to the database yet.
    on_chain = await state_of(request)[ChainRegistry].check(symbol, int(number))
    binding = await bindings.bind(session, symbol, number, on_chain, actor)
    return TokenView.of(await tokens.get(session, symbol), binding)


@router.delete("/{token_id}/model-number", status_code=status.HTTP_204_NO_CONTENT)
async def unbind_token(
    token_id: TokenPath, _: Admin, session: ChangeSession, actor: CurrentActor
) -> None:
    """Unbind the model number of a token id, after which no mint request is signed for it."""
    await bindings.unbind(session, token_id.upper(), actor)
