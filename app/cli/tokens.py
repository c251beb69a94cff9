"""`hokusai-gateway tokens`: reserves token ids, and binds model numbers on the chain to them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.peppers import Peppers
from app.cli.output import AsJSON, print_all, print_one
from app.cli.running import ALL_ROWS, run_in_transaction, validated
from app.control_plane.minting import bindings
from app.control_plane.minting.chain_registry import ChainRegistry
from app.control_plane.minting.schemas import BindingRequest, ReservationRequest, TokenView
from app.control_plane.registry import tokens
from app.control_plane.registry.fields import TokenId
from app.core.request.actor import CLI, Actor
from app.core.settings import load_settings

tokens_app = typer.Typer(
    help="Token ids: list, reserve, bind to model numbers on the chain.", no_args_is_help=True
)
COLUMNS = ("token_id", "tenant", "reserved", "chain_model_id", "chain_token", "checked_at")


class _Named(BaseModel):
    token_id: TokenId


def _symbol(token_id: str) -> str:
    names = {"token_id": "TOKEN_ID"}
    return validated(_Named, {"token_id": token_id}, **names).token_id.upper()


def _change(token_id: str, change: Callable[[AsyncSession, str, Actor], Awaitable[object]]) -> str:
    symbol = _symbol(token_id)

    async def apply(session: AsyncSession, _: Peppers) -> None:
        await change(session, symbol, CLI)

    run_in_transaction(apply)
    return symbol


@tokens_app.command("list")
def list_tokens(
    tenant: Annotated[str | None, typer.Option(help="List only those this tenant holds.")] = None,
    as_json: AsJSON = False,
) -> None:
    """List the token ids that a tenant holds or that are reserved, with their model numbers."""

    async def read(session: AsyncSession, _: Peppers) -> list[BaseModel]:
        rows = await tokens.list_tokens(session, tenant=tenant, limit=ALL_ROWS)
        bound = await bindings.find_all(session, [row.symbol for row in rows])
        return [TokenView.of(row, bound.get(row.symbol)) for row in rows]

    print_all(run_in_transaction(read), as_json, COLUMNS)


@tokens_app.command("reserve")
def reserve_token(
    token_id: str,
    tenant: Annotated[
        str | None, typer.Option(help="For whom; created if it does not exist. Default: nobody.")
    ] = None,
    reassign: Annotated[
        bool, typer.Option("--reassign", help="Take it from another tenant that holds it.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Reserve a token id for a tenant, or for nobody: other tenants cannot register it."""
    symbol = _symbol(token_id)
    request = validated(ReservationRequest, {"tenant": tenant, "reassign": reassign})

    async def reserve(session: AsyncSession, _: Peppers) -> BaseModel:
        token = await tokens.reserve(session, symbol, request.tenant, CLI, reassign=reassign)
        return TokenView.of(token, await bindings.find(session, symbol))

    print_one(run_in_transaction(reserve), as_json, COLUMNS)


@tokens_app.command("release")
def end_reservation(token_id: str) -> None:
    """End the reservation of a token id. A tenant that has registered a model under it keeps it."""
    symbol = _change(token_id, bindings.end_reservation)
    typer.echo(f"{symbol} is no longer reserved.")


@tokens_app.command("bind")
def bind_token(token_id: str, chain_model_id: str, as_json: AsJSON = False) -> None:
    """Bind a model number on the chain to a token id, in place of the one bound before.

    With HOKUSAI_RPC_URL it is checked against the chain's registry, else recorded as not checked.
    """
    symbol = _symbol(token_id)
    given = {"chain_model_id": chain_model_id}
    number = validated(BindingRequest, given, chain_model_id="CHAIN_MODEL_ID").chain_model_id

    async def bind(session: AsyncSession, _: Peppers) -> BaseModel:
        chain_registry = ChainRegistry.from_settings(load_settings())
        try:
            on_chain = await chain_registry.check(symbol, int(number))
        finally:
            await chain_registry.close()
        binding = await bindings.bind(session, symbol, number, on_chain, CLI)
        return TokenView.of(await tokens.get(session, symbol), binding)

    print_one(run_in_transaction(bind), as_json, COLUMNS)


@tokens_app.command("unbind")
def unbind_token(token_id: str) -> None:
    """Unbind the model number of a token id, after which no mint request is signed for it."""
    symbol = _change(token_id, bindings.unbind)
    typer.echo(f"No model number is bound to {symbol} any more.")
