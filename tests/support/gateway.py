"""A gateway under test: the real application on a real uvicorn, in a thread, on a free port."""

import asyncio
import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import httpx
import uvicorn
from pydantic import SecretStr

from app.access.identity import keys
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest
from app.core.app_state import AppState
from app.core.request.actor import CLI
from app.core.request.principal import Scope
from app.core.settings import Settings
from app.database.engine import Database
from app.main import create_app
from app.server.run import uvicorn_options
from tests.support.quick_shutdown_server import QuickShutdownServer
from tests.support.waiting import GENEROUS, wait_until

T = TypeVar("T")

ALL_SCOPES = tuple(Scope)
MEMBER_SCOPES = (Scope.READ, Scope.WRITE, Scope.REGISTER, Scope.ATTEST)


class RunningGateway:
    """Serves in a thread while the `with` block lasts.

    overrides: settings. Defaults: a fixed pepper and attestor key, limits too high to be reached,
    and that no files of models are read, so that records do not change by themselves.
    """

    def __init__(self, database_url: str, mlflow_url: str, **overrides: Any) -> None:
        self.settings = Settings(
            **{
                "database_url": SecretStr(database_url),
                "mlflow_url": mlflow_url,
                "key_pepper": SecretStr("pepper of the tests"),
                "attestor_key": SecretStr("a7" * 32),
                "rate_limit": 1_000_000,
                "wallet_address_limit": 1_000_000,
                "anonymous_limit": 1_000_000,
                "failure_limit": 1_000_000,
                "new_wallet_limit": 1_000_000,
                "creation_limit": 1_000_000,
                "key_quota": 1_000_000,
                "token_quota": 1_000_000,
                "model_quota": 1_000_000,
                "contribution_quota": 1_000_000,
                "approval_quota": 1_000_000,
                "benchmark_quota": 1_000_000,
                "prediction_quota": 1_000_000,
                "attestation_quota": 1_000_000,
                "log_format": "json",
                "model_files_readers": 0,
                **overrides,
            }
        )
        self.app = create_app(self.settings)
        self._server = QuickShutdownServer(
            uvicorn.Config(self.app, port=0, **uvicorn_options(self.settings))
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the gateway did not start")
            self._thread.join(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.mlflow = f"{self.url}/api/mlflow"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join(GENEROUS)
        assert not self._thread.is_alive(), "the gateway did not stop"

    @property
    def connections(self) -> int:
        """The number of open connections from clients."""
        return len(self._server.server_state.connections)

    def settle(self) -> None:
        """Wait until nothing is under way: requests are counted and logged after their response."""

        async def nothing() -> None:
            """A turn of the event loop, by which a request on the fast path is over."""

        assert self._server.loop is not None
        asyncio.run_coroutine_threadsafe(nothing(), self._server.loop).result(GENEROUS)
        wait_until(lambda: not self._server.server_state.tasks)

    def service(self, kind: type[T]) -> T:
        """A part of the running application, by its type."""
        services: AppState = self.app.services
        return services[kind]

    def key(
        self,
        tenant: str | None = None,
        scopes: Sequence[Scope] = MEMBER_SCOPES,
        **request: Any,
    ) -> str:
        """A new key, issued without a request; for a new tenant unless one is named.

        While the gateway serves, it is issued by one of its own connections: a new one for each of
        some thousand keys would take a minute of processor time.
        """
        key_request = AdminKeyRequest(
            name="test",
            tenant=tenant or f"t-{secrets.token_hex(6)}",
            scopes=list(scopes),
            **request,
        )
        if self._thread.is_alive() and self._server.loop is not None:
            issuing = self._issue(self.service(Database), key_request)
            return asyncio.run_coroutine_threadsafe(issuing, self._server.loop).result(GENEROUS)
        # In a thread, because Playwright occupies the event loop of the tests' own.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._issue_alone(key_request)).result()

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """An HTTP client of this gateway, with the key as a Bearer token if one is given."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=GENEROUS, trust_env=False)

    async def _issue(self, database: Database, request: AdminKeyRequest) -> str:
        async with database.transaction() as session:
            _, secret = await keys.issue(
                session, Peppers.from_settings(self.settings), request, CLI
            )
            return secret

    async def _issue_alone(self, request: AdminKeyRequest) -> str:
        assert self.settings.database_url is not None
        database = Database(self.settings.database_url.get_secret_value(), connections=1)
        try:
            return await self._issue(database, request)
        finally:
            await database.close()
