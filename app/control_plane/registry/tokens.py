"""Token ids, and the tenants that hold them.

A token id belongs to the tenant that registers a model under it first, unless the operator has
reserved it before: for one tenant, or for none, so that nobody can register it.
"""

from collections.abc import Sequence

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.tenants import service as tenants
from app.control_plane.registry.models import Model, Registration, Token
from app.core.errors import ConflictError, NotFoundError, TokenTakenError
from app.core.request.actor import Actor


async def hold(session: AsyncSession, symbol: str, tenant: str) -> None:
    """Make a tenant the holder of a token id, unless it has one or is reserved.

    symbol: the token id in upper case. Raises TokenTakenError.
    """
    await session.execute(
        insert(Token).values(symbol=symbol, tenant=tenant).on_conflict_do_nothing()
    )
    # Locked, so that no other transaction releases it before this registration refers to it.
    token = await _locked(session, symbol)
    assert token is not None
    if token.tenant is None and not token.reserved:
        token.tenant = tenant
    if token.tenant == tenant:
        return
    if token.tenant is None:
        raise TokenTakenError(
            f"The token id {symbol!r} is reserved by the operator of the gateway. Ask the operator "
            "to reserve it for your tenant."
        )
    raise TokenTakenError(
        f"The token id {symbol!r} belongs to another tenant. Only its holder can register versions "
        "under it."
    )


async def release(session: AsyncSession, symbol: str) -> None:
    """Remove a token id that is not reserved, and under which nothing is or is being registered."""
    token = await _locked(session, symbol)
    if token is not None and not token.reserved:
        await _delete_unused(session, symbol)


async def reserve(
    session: AsyncSession, symbol: str, tenant: str | None, actor: Actor, *, reassign: bool = False
) -> Token:
    """Reserve a token id for a tenant, which is created if it does not exist, or for none.

    symbol: in upper case. reassign: whether to take it from another tenant that holds it. Raises
    ConflictError where another tenant holds it and `reassign` is not set, and UnprocessableError
    for a name that no tenant can have.
    """
    if tenant is not None:
        tenant = (await tenants.ensure(session, tenant, actor))[0].name
    await session.execute(
        insert(Token).values(symbol=symbol, tenant=tenant).on_conflict_do_nothing()
    )
    token = await get(session, symbol)
    if token.tenant not in (None, tenant) and not reassign:
        raise ConflictError(
            f"The tenant {token.tenant!r} holds the token id {symbol!r}. Set `reassign` to take it "
            "from this tenant; the models that it registered stay."
        )
    if (token.tenant, token.reserved) != (tenant, True):
        audit.record(session, actor, "token.reserved", symbol, tenant, holder_before=token.tenant)
    token.tenant, token.reserved = tenant, True
    await session.flush()
    return token


async def end_reservation(session: AsyncSession, symbol: str, actor: Actor) -> None:
    """Let the token id be registered again by the first tenant that does.

    A tenant that has registered a model under it keeps it. Raises NotFoundError.
    """
    token = await get(session, symbol)
    if token.reserved:
        audit.record(session, actor, "token.released", symbol, token.tenant)
    token.reserved = False
    await session.flush()
    await _delete_unused(session, symbol)


async def get(session: AsyncSession, symbol: str) -> Token:
    """A token id, locked until the transaction ends. Raises NotFoundError where it is unknown."""
    token = await _locked(session, symbol)
    if token is None:
        raise NotFoundError(
            f"Nobody holds the token id {symbol!r}, and it is not reserved. Reserve it first."
        )
    return token


async def list_tokens(
    session: AsyncSession, *, tenant: str | None = None, after: str | None = None, limit: int
) -> Sequence[Token]:
    """Token ids in their order; one more than `limit` if there are more.

    tenant: only those that this tenant holds. after: only those after this one.
    """
    query = select(Token).order_by(Token.symbol).limit(limit + 1)
    if tenant is not None:
        query = query.where(Token.tenant == tenant)
    if after is not None:
        query = query.where(Token.symbol > after)
    return (await session.scalars(query)).all()


async def _locked(session: AsyncSession, symbol: str) -> Token | None:
    query = select(Token).where(Token.symbol == symbol).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


async def _delete_unused(session: AsyncSession, symbol: str) -> None:
    await session.execute(
        delete(Token).where(
            Token.symbol == symbol,
            ~exists().where(Model.token == symbol),
            ~exists().where(Registration.token == symbol),
        )
    )
