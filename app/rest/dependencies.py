"""FastAPI dependencies of all endpoints: the caller, its scopes, and the database session."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Protocol

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.app_state import state_of
from app.core.errors import UnauthenticatedError
from app.core.request.actor import Actor
from app.core.request.context import context_of
from app.core.request.principal import Principal, Scope
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database
from app.database.reads import Reads


class ChangeTransaction(Protocol):
    """Opens the database transaction of an endpoint that changes something.

    wallet_proof: the wallet's message that authorises the change. It is consumed in the same
    transaction, so that it authorises no second change. None for other credentials.
    """

    def __call__(
        self, wallet_proof: WalletProof | None
    ) -> AbstractAsyncContextManager[AsyncSession]: ...


# All of these are asynchronous: FastAPI would run others in a thread.
async def _caller(request: Request) -> Principal:
    principal = context_of(request.scope).principal
    if principal is None:
        # Only a public path reaches its endpoint without a principal.
        raise UnauthenticatedError("This needs an API key or a wallet's signature.")
    return principal


def _requires(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    async def principal_with_scope(request: Request) -> Principal:
        principal = await _caller(request)
        principal.require(scope)
        return principal

    return principal_with_scope


async def _actor(request: Request) -> Actor:
    context = context_of(request.scope)
    principal = context.principal.id if context.principal else "anonymous"
    return Actor(principal, context.request_id, context.client)


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    """The transaction of an endpoint; it is committed before the response is sent."""
    async with state_of(request)[Database].transaction() as session:
        yield session


async def _reads(request: Request) -> Reads:
    return state_of(request)[Database].reads


async def _change_session(request: Request) -> AsyncIterator[AsyncSession]:
    """The same for an endpoint that changes something: see `ChangeTransaction`."""
    transaction = state_of(request)[ChangeTransaction]
    async with transaction(context_of(request.scope).wallet_proof) as session:
        yield session


Caller = Annotated[Principal, Depends(_caller)]
Reading = Annotated[Principal, Depends(_requires(Scope.READ))]
Registering = Annotated[Principal, Depends(_requires(Scope.REGISTER))]
Attesting = Annotated[Principal, Depends(_requires(Scope.ATTEST))]
Admin = Annotated[Principal, Depends(_requires(Scope.ADMIN))]
CurrentReads = Annotated[Reads, Depends(_reads)]
CurrentActor = Annotated[Actor, Depends(_actor)]
# With FastAPI's `function` scope, the commit precedes the response, so that its failure becomes an
# error response.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]
ChangeSession = Annotated[AsyncSession, Depends(_change_session, scope="function")]
