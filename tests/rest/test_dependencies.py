"""What endpoints get from FastAPI: the caller with a scope, the actor, and a transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from app.core.app_state import AppState
from app.core.errors import DatabaseUnavailableError, GatewayError
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead
from app.core.request.principal import Principal, Scope
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database
from app.rest.dependencies import (
    Admin,
    Attesting,
    Caller,
    ChangeSession,
    ChangeTransaction,
    CurrentActor,
    Reading,
    Registering,
    Session,
)

PROOF = WalletProof("0x" + "12" * 20, bytes(32), datetime(2026, 3, 1, tzinfo=UTC))


class Transactions:
    """Transactions that record what happens to them, in order with the response."""

    def __init__(self, *, fails: bool = False) -> None:
        self.events: list[object] = []
        self.fails = fails

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[str]:
        yield "session"
        if self.fails:
            raise DatabaseUnavailableError("The commit failed.")
        self.events.append("committed")

    @asynccontextmanager
    async def __call__(self, wallet_proof: WalletProof | None) -> AsyncIterator[str]:
        self.events.append(wallet_proof)
        async with self.transaction() as session:
            yield session


async def call(
    endpoint: Callable[..., Any],
    principal: Principal | None = None,
    proof: WalletProof | None = None,
    transactions: Transactions | None = None,
) -> httpx.Response:
    """Call an endpoint with a request's context; a GatewayError becomes its status and reason."""
    transactions = transactions or Transactions()
    api = FastAPI()
    api.state.services = AppState({Database: transactions, ChangeTransaction: transactions})
    api.add_api_route("/", endpoint)

    async def on_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        return Response(error.reason, error.status)

    api.add_exception_handler(GatewayError, on_error)

    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        head = RequestHead([], {}, "192.0.2.1")
        scope["context"] = RequestContext("id-1", head, principal, proof)

        async def recorded(message: Any) -> None:
            if message["type"] == "http.response.start":
                transactions.events.append(message["status"])
            await send(message)

        await api(scope, receive, recorded)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.get("/")


def principal(*scopes: Scope) -> Principal:
    return Principal("key:a", "a", "t", frozenset(scopes))


async def test_the_caller_is_the_principal_of_the_request() -> None:
    async def endpoint(caller: Caller) -> str:
        return caller.id

    assert (await call(endpoint, principal())).json() == "key:a"
    response = await call(endpoint)
    assert (response.status_code, response.text) == (401, "credentials_missing")


@pytest.mark.parametrize(
    ("dependency", "scope"),
    [
        (Reading, Scope.READ),
        (Registering, Scope.REGISTER),
        (Attesting, Scope.ATTEST),
        (Admin, Scope.ADMIN),
    ],
)
async def test_a_dependency_requires_its_scope(dependency: Any, scope: Scope) -> None:
    async def endpoint(caller: Any) -> str:
        return str(caller.id)

    endpoint.__annotations__["caller"] = dependency
    assert (await call(endpoint, principal(scope))).status_code == 200
    response = await call(endpoint, principal(*set(Scope) - {scope}))
    assert (response.status_code, response.text) == (403, "scope_missing")
    assert (await call(endpoint)).status_code == 401


async def test_the_actor_is_the_principal_with_its_request() -> None:
    async def endpoint(actor: CurrentActor) -> list[str | None]:
        return [actor.principal, actor.request_id, actor.client]

    assert (await call(endpoint, principal())).json() == ["key:a", "id-1", "192.0.2.1"]
    assert (await call(endpoint)).json() == ["anonymous", "id-1", "192.0.2.1"]


async def test_a_session_commits_before_the_response() -> None:
    async def endpoint(session: Session) -> str:
        return str(session)

    transactions = Transactions()
    assert (await call(endpoint, transactions=transactions)).json() == "session"
    assert transactions.events == ["committed", 200]


async def test_a_failed_commit_becomes_the_response() -> None:
    async def endpoint(session: Session) -> str:
        return str(session)

    response = await call(endpoint, transactions=Transactions(fails=True))
    assert (response.status_code, response.text) == (503, "database_unavailable")


@pytest.mark.parametrize("proof", [None, PROOF])
async def test_the_transaction_of_a_change_gets_the_wallets_proof(
    proof: WalletProof | None,
) -> None:
    async def endpoint(session: ChangeSession) -> str:
        return str(session)

    transactions = Transactions()
    response = await call(endpoint, principal(), proof, transactions)
    assert response.json() == "session"
    assert transactions.events == [proof, "committed", 200]
