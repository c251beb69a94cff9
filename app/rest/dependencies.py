"""What endpoints ask FastAPI for: the caller, a scope, a transaction."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import Actor
from app.access.identity.credential_cache import CHANGED, CredentialCache
from app.access.identity.peppers import Peppers
from app.access.identity.replay_guard import spend
from app.core.errors import UnauthenticatedError
from app.core.request.context import context_of
from app.core.request.principal import Principal, Scope
from app.database.engine import Database


def _caller(request: Request) -> Principal:
    principal = context_of(request.scope).principal
    if principal is None:
        # Only a path that identity was told to leave open comes here without one.
        raise UnauthenticatedError("This needs an API key or a wallet's signature.")
    return principal


def _requires(scope: Scope) -> Callable[[Request], Principal]:
    def principal_with_scope(request: Request) -> Principal:
        principal = _caller(request)
        principal.require(scope)
        return principal

    return principal_with_scope


def _actor(request: Request) -> Actor:
    context = context_of(request.scope)
    principal = context.principal.id if context.principal else "anonymous"
    return Actor(principal, context.request_id, context.client)


def _peppers(request: Request) -> Peppers:
    peppers: Peppers = request.app.state.peppers
    return peppers


async def _changing(request: Request) -> AsyncIterator[AsyncSession]:
    """A transaction for a change; a wallet's message is spent in it, so only if it commits.

    A key that it ended is not known here any more when the answer goes.
    """
    database: Database = request.app.state.database
    known: CredentialCache = request.app.state.known
    proof = context_of(request.scope).wallet_proof
    async with database.transaction() as session:
        if proof is not None:
            await spend(session, proof)
        yield session
    for credential in session.info.get(CHANGED, ()):
        known.forget(credential)


Caller = Annotated[Principal, Depends(_caller)]
Reading = Annotated[Principal, Depends(_requires(Scope.READ))]
Registering = Annotated[Principal, Depends(_requires(Scope.REGISTER))]
Attesting = Annotated[Principal, Depends(_requires(Scope.ATTEST))]
Admin = Annotated[Principal, Depends(_requires(Scope.ADMIN))]
CurrentActor = Annotated[Actor, Depends(_actor)]
CurrentPeppers = Annotated[Peppers, Depends(_peppers)]
# `function` scope: a commit that fails must still be able to become the answer.
ChangeSession = Annotated[AsyncSession, Depends(_changing, scope="function")]
