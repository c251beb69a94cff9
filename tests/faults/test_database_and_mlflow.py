"""What callers see while PostgreSQL or MLflow is killed or hangs, and that it heals by itself."""

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
from tests.support.answers import good, refused
from tests.support.gateway import RunningGateway
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

# The product's promise: a database that is away is told within three seconds.
PROMISE = 3.0
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search"


@dataclass
class Scene:
    """A gateway whose PostgreSQL is its own, to be broken."""

    gateway: RunningGateway
    postgres: EmbeddedPostgreSQL
    key: str

    def client(self, credential: str | dict[str, str] | None) -> httpx.Client:
        headers = credential if isinstance(credential, dict) else {}
        if isinstance(credential, str):
            headers = {"Authorization": f"Bearer {credential}"}
        return httpx.Client(
            base_url=self.gateway.url, headers=headers, timeout=PROMISE, trust_env=False
        )

    def kill(self) -> None:
        for process in self.processes():
            process.kill()
        # Until it is waited for, its number stays taken.
        wait_until(lambda: not self.postgres.running)

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.postgres.pid)
        return [server, *server.children(recursive=True)]

    def answers(self) -> bool:
        with self.client(self.key) as client:
            return client.get("/api/keys").status_code == 200


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, mlflow_server: ChildMLflow) -> Iterator[Scene]:
    # Durable, or the last commits before a kill are lost.
    with EmbeddedPostgreSQL(tmp_path_factory.mktemp("faulty")) as postgres:
        postgres.create_database("hokusai")
        migrate(postgres.url("hokusai"))
        with RunningGateway(postgres.url("hokusai"), mlflow_server.url) as gateway:
            yield Scene(gateway, postgres, gateway.key())


def listens(url: str) -> bool:
    try:
        httpx.get(f"{url}/health", trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        pass  # it is ending, and has not ended
    return True


def check_that_it_is_away(scene: Scene) -> None:
    """Each kind of caller is told 503 within the promise, which is the client's timeout."""
    for credential in (scene.key, new_key(), Wallet().headers()):
        with scene.client(credential) as client:
            problem = refused(client.get("/api/keys"), 503, "database_unavailable")
            assert problem["error_code"] == "TEMPORARILY_UNAVAILABLE"
            assert client.get("/api/keys").headers["retry-after"] == "1"
    # A key that nobody has seen before is not known to be bad: never 401.
    with scene.client(new_key()) as client:
        refused(client.get(SEARCH, params={"max_results": 1}), 503, "database_unavailable")
    with scene.client(Wallet().headers()) as client:
        answer = client.post("/api/mlflow/api/2.0/mlflow/experiments/create", json={"name": "a"})
        refused(answer, 503, "database_unavailable")
    with scene.client(None) as client:
        good(client.get("/livez"))
        wait_until(lambda: client.get("/readyz").status_code == 503)
        checks = client.get("/readyz").json()["checks"]
        assert checks["migrations"]["ready"] is False
        assert checks["upstream"]["ready"] is True
        refused(client.get("/api/auth/nonce"), 503, "database_unavailable")
        # What needs no database to be refused is still refused.
        refused(client.get("/api/keys"), 401, "credentials_missing")


def test_a_killed_postgresql_is_503_and_heals(scene: Scene) -> None:
    assert scene.answers()
    scene.kill()
    check_that_it_is_away(scene)
    scene.postgres.restart()
    wait_until(scene.answers)
    with scene.client(None) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)


def test_a_hanging_postgresql_is_503_and_heals(scene: Scene) -> None:
    wait_until(scene.answers)
    stopped = scene.processes()
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        check_that_it_is_away(scene)
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)
    wait_until(scene.answers)


def test_a_key_revoked_while_postgresql_was_away_does_not_come_back(scene: Scene) -> None:
    """What a worker remembers is forgotten with the connection that would tell it of changes."""
    wait_until(scene.answers)
    key = scene.gateway.key()
    with scene.client(key) as client:
        good(client.get("/api/limits"))
    scene.kill()
    with scene.client(key) as client:
        # Until the loss of the connection is noticed, the key may be remembered.
        wait_until(lambda: client.get("/api/limits").status_code == 503)
        scene.postgres.restart()
        wait_until(lambda: client.get("/api/limits").status_code == 200)


def test_a_killed_mlflow_is_502_and_heals(
    postgres: EmbeddedPostgreSQL,
    mlflow_server: ChildMLflow,
    new_database: Callable[[], str],
    tmp_path: Path,
) -> None:
    # On the records of the tests' other MLflow, so that its tables need not be made again.
    with (
        ChildMLflow(tmp_path, postgres.url("mlflow")) as mlflow,
        RunningGateway(new_database(), mlflow.url) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        good(client.get(SEARCH, params={"max_results": 1}))
        server = psutil.Process(mlflow.pid)
        for process in [server, *server.children(recursive=True)]:
            process.kill()
        wait_until(lambda: not listens(mlflow.url))
        refused(client.get(SEARCH, params={"max_results": 1}), 502, "upstream_unreachable")
        # A tenant that was never here needs its workspace first.
        with gateway.client(gateway.key()) as other:
            refused(other.get(SEARCH, params={"max_results": 1}), 502, "upstream_unreachable")
        # Hokusai's own half goes on.
        good(client.get("/api/keys"))
        wait_until(lambda: not client.get("/readyz").json()["checks"]["upstream"]["ready"])
        good(client.get("/livez"))
        mlflow.restart()
        wait_until(lambda: client.get("/readyz").status_code == 200, 120)
        good(client.get(SEARCH, params={"max_results": 1}))
        with gateway.client(gateway.key()) as other:
            good(other.get(SEARCH, params={"max_results": 1}))
