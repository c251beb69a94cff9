"""What callers see while PostgreSQL or MLflow is killed or hangs, and that the gateway recovers."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from app.access.identity.key_format import new_key
from app.database.migrate import migrate
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.forked_mlflow import ForkedMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.waiting import GENEROUS, wait_until
from tests.support.wallet import Wallet

SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search"


@dataclass
class FaultyGateway:
    """A gateway with its own PostgreSQL, which tests kill or stop."""

    gateway: RunningGateway
    postgres: EmbeddedPostgreSQL
    key: str

    def client(self, credential: str | dict[str, str] | None) -> httpx.Client:
        headers = credential if isinstance(credential, dict) else {}
        if isinstance(credential, str):
            headers = {"Authorization": f"Bearer {credential}"}
        return httpx.Client(
            base_url=self.gateway.url, headers=headers, timeout=GENEROUS, trust_env=False
        )

    def kill(self) -> None:
        for process in self.processes():
            process.kill()
        # A killed process keeps its id until its parent has waited for it.
        wait_until(lambda: not self.postgres.running)

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.postgres.pid)
        return [server, *server.children(recursive=True)]

    def responds(self) -> bool:
        with self.client(self.key) as client:
            return client.get("/api/keys").status_code == 200


@pytest.fixture(scope="module")
def faulty(
    tmp_path_factory: pytest.TempPathFactory, mlflow_server: ChildMLflow
) -> Iterator[FaultyGateway]:
    # Durable: otherwise the last commits before a kill are lost.
    with EmbeddedPostgreSQL(tmp_path_factory.mktemp("faulty")) as postgres:
        postgres.create_database("hokusai")
        migrate(postgres.url("hokusai"))
        with RunningGateway(postgres.url("hokusai"), mlflow_server.url) as gateway:
            yield FaultyGateway(gateway, postgres, gateway.key())


def listens(url: str) -> bool:
    try:
        httpx.get(f"{url}/health", trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        pass  # it has not ended yet
    return True


def only_mlflow_is_ready(client: httpx.Client) -> bool:
    response = client.get("/readyz")
    checks = response.json()["checks"]
    found = {name: check["ready"] for name, check in checks.items()}
    return (response.status_code, found) == (503, {"migrations": False, "upstream": True})


def check_database_unavailable(faulty: FaultyGateway) -> None:
    """Each kind of caller gets 503; how soon is for tests/database/test_engine.py."""
    for credential in (faulty.key, new_key(), Wallet().headers()):
        with faulty.client(credential) as client:
            problem = refused(client.get("/api/keys"), 503, "database_unavailable")
            assert problem["error_code"] == "TEMPORARILY_UNAVAILABLE"
            assert client.get("/api/keys").headers["retry-after"] == "1"
    # A key that is not in the cache cannot be called invalid: never 401.
    with faulty.client(new_key()) as client:
        refused(client.get(SEARCH, params={"max_results": 1}), 503, "database_unavailable")
    with faulty.client(Wallet().headers()) as client:
        response = client.post("/api/mlflow/api/2.0/mlflow/experiments/create", json={"name": "a"})
        refused(response, 503, "database_unavailable")
    with faulty.client(None) as client:
        good(client.get("/livez"))
        wait_until(lambda: only_mlflow_is_ready(client))
        refused(client.get("/api/auth/nonce"), 503, "database_unavailable")
        # Refusals that need no database are unchanged.
        refused(client.get("/api/keys"), 401, "credentials_missing")


def test_a_killed_postgresql_gives_503_and_recovers(faulty: FaultyGateway) -> None:
    assert faulty.responds()
    faulty.kill()
    check_database_unavailable(faulty)
    faulty.postgres.restart()
    wait_until(faulty.responds)
    with faulty.client(None) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)


def test_a_hanging_postgresql_gives_503_and_recovers(faulty: FaultyGateway) -> None:
    wait_until(faulty.responds)
    stopped = faulty.processes()
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        check_database_unavailable(faulty)
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)
    wait_until(faulty.responds)


def test_a_key_revoked_while_postgresql_was_down_stays_revoked(faulty: FaultyGateway) -> None:
    """The cache of credentials is cleared when its connection for notifications is lost."""
    wait_until(faulty.responds)
    key = faulty.gateway.key()
    with faulty.client(key) as client:
        good(client.get("/api/limits"))
    faulty.kill()
    with faulty.client(key) as client:
        # The key may be cached until the loss of the connection is noticed.
        wait_until(lambda: client.get("/api/limits").status_code == 503)
        faulty.postgres.restart()
        wait_until(lambda: client.get("/api/limits").status_code == 200)


def test_a_killed_mlflow_gives_502_and_recovers(
    postgres: EmbeddedPostgreSQL,
    mlflow_server: ChildMLflow,
    new_database: Callable[[], str],
    tmp_path: Path,
) -> None:
    # With the database of the tests' other MLflow, to save the creation of its tables.
    with (
        ForkedMLflow(tmp_path, postgres.url("mlflow")) as mlflow,
        RunningGateway(new_database(), mlflow.url) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        good(client.get(SEARCH, params={"max_results": 1}))
        server = psutil.Process(mlflow.pid)
        for process in [server, *server.children(recursive=True)]:
            process.kill()
        wait_until(lambda: not listens(mlflow.url))
        refused(client.get(SEARCH, params={"max_results": 1}), 502, "upstream_unreachable")
        # A new tenant needs a workspace first.
        with gateway.client(gateway.key()) as other:
            refused(other.get(SEARCH, params={"max_results": 1}), 502, "upstream_unreachable")
        # The gateway's own endpoints still work.
        good(client.get("/api/keys"))
        wait_until(lambda: not client.get("/readyz").json()["checks"]["upstream"]["ready"])
        good(client.get("/livez"))
        mlflow.restart()
        wait_until(lambda: client.get("/readyz").status_code == 200, 120)
        good(client.get(SEARCH, params={"max_results": 1}))
        with gateway.client(gateway.key()) as other:
            good(other.get(SEARCH, params={"max_results": 1}))
