"""Which model number on the chain a token id stands for: the operator binds it, and nobody else.

A name proves nothing, since a tenant chooses it. Mint requests are signed for bound numbers only.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.minting.chain_registry import ChainToken
from app.control_plane.minting.models import TokenBinding
from app.control_plane.registry import tokens
from app.core.errors import ConflictError, NotFoundError
from app.core.request.actor import Actor
from app.database.engine import now


async def bind(
    session: AsyncSession, symbol: str, number: str, on_chain: ChainToken | None, actor: Actor
) -> TokenBinding:
    """Bind a model number to a token id, in place of the one that was bound to it.

    symbol: in upper case. number: in decimal. on_chain: what `ChainRegistry.check` returned.

    From now on the token id is reserved for its holder. Raises NotFoundError where nobody holds or
    has reserved the token id, and ConflictError where the number is bound to another one.
    """
    # Two at once may be about the same number. This is a rare act of few people.
    await session.execute(text("LOCK TABLE token_bindings IN SHARE ROW EXCLUSIVE MODE"))
    token = await tokens.get(session, symbol)
    token.reserved = True
    other = await session.scalar(
        select(TokenBinding.symbol).where(
            TokenBinding.chain_model_id == number, TokenBinding.symbol != symbol
        )
    )
    if other is not None:
        raise ConflictError(
            f"The model number {number} is bound to the token id {other!r}. Unbind it there first."
        )
    binding = await find(session, symbol)
    number_before = None if binding is None else binding.chain_model_id
    if binding is None:
        binding = TokenBinding(symbol=symbol)
        session.add(binding)
    binding.chain_model_id = number
    binding.chain_token = None if on_chain is None else on_chain.address
    binding.checked_at = None if on_chain is None else now()
    binding.bound_by, binding.bound_at = actor.principal, now()
    audit.record(
        session,
        actor,
        "token.bound",
        symbol,
        token.tenant,
        chain_model_id=number,
        chain_model_id_before=number_before,
        chain_token=binding.chain_token,
        checked=on_chain is not None,
    )
    await session.flush()
    return binding


async def unbind(session: AsyncSession, symbol: str, actor: Actor) -> None:
    """End a binding, after which nothing is signed for the token. It stays reserved.

    Raises NotFoundError where no model number is bound to the token id.
    """
    token = await tokens.get(session, symbol)
    binding = await find(session, symbol)
    if binding is None:
        raise NotFoundError(f"No model number is bound to the token id {symbol!r}.")
    audit.record(
        session,
        actor,
        "token.unbound",
        symbol,
        token.tenant,
        chain_model_id=binding.chain_model_id,
    )
    await session.delete(binding)
    await session.flush()


async def end_reservation(session: AsyncSession, symbol: str, actor: Actor) -> None:
    """As `tokens.end_reservation`. Raises ConflictError while a model number is bound to it."""
    if await find(session, symbol) is not None:
        raise ConflictError(
            f"A model number is bound to the token id {symbol!r}, which is reserved until that "
            "ends. Unbind it first."
        )
    await tokens.end_reservation(session, symbol, actor)


async def find(session: AsyncSession, symbol: str) -> TokenBinding | None:
    """The binding of a token id, if there is one."""
    return await session.get(TokenBinding, symbol, populate_existing=True)


async def find_all(session: AsyncSession, symbols: Sequence[str]) -> Mapping[str, TokenBinding]:
    """The bindings of some token ids, by token id."""
    rows = await session.scalars(select(TokenBinding).where(TokenBinding.symbol.in_(symbols)))
    return {row.symbol: row for row in rows}
