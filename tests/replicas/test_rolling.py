"""A rolling restart behind a load balancer: nobody's request fails."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest

from app.standalone.mlflow_server import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.haproxy import SERVED_BY, LoadBalancer
from tests.support.process import GatewayProcess
from tests.support.redis import RunningRedis, free_port
from tests.support.waiting import wait_until

# More than the load balancer takes to notice: it asks five times a second.
DELAY = 2
PATIENCE = 120


@dataclass
class Callers:
    """Users that send one request after the other while the `with` block lasts.

    seen: for each status and gateway how often it was; broken: what came of connections that broke.
    """

    url: str
    key: str
    keep_alive: bool
    seen: Counter[tuple[int, str]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def served(self, name: str) -> int:
        return sum(count for (_, by), count in self.seen.items() if by == name)

    def _run(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        if not self.keep_alive:
            headers["Connection"] = "close"
        with httpx.Client(
            base_url=self.url, headers=headers, timeout=60, trust_env=False
        ) as client:
            while not self._stop.wait(0.02):
                try:
                    # One that is proxied, one of the gateway's own, and one that must not be
                    # repeated by anybody.
                    for method, path in (
                        ("GET", "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"),
                        ("GET", "/api/auth/whoami"),
                        ("POST", "/api/mlflow/api/2.0/mlflow/experiments/search"),
                    ):
                        body = {"max_results": 1} if method == "POST" else None
                        answer = client.request(method, path, json=body)
                        self.seen[answer.status_code, answer.headers.get(SERVED_BY, "")] += 1
                except httpx.TransportError as error:
                    self.broken.append(repr(error))


@dataclass
class Pair:
    """Two gateway processes, and the load balancer before them."""

    balancer: LoadBalancer
    gateways: dict[str, GatewayProcess]
    key: str


@pytest.fixture(scope="module")
def pair(
    balancer: LoadBalancer,
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    database = new_database()
    directory: Path = tmp_path_factory.mktemp("rolling")
    secrets = {"key_pepper": "pepper of the tests", "attestor_key": "a7" * 32}
    office = RunningGateway(database, mlflow_server.url, **secrets)
    with ExitStack() as stack:
        redis = stack.enter_context(RunningRedis(directory))
        gateways = {
            name: stack.enter_context(
                GatewayProcess(
                    directory,
                    free_port(),
                    database_url=database,
                    mlflow_url=mlflow_server.url,
                    redis_url=redis.url,
                    replicas="2",
                    rate_limit="1000000",
                    drain_delay=str(DELAY),
                    **secrets,
                )
            )
            for name in ("one", "other")
        }
        balancer.start({name: gateway.port for name, gateway in gateways.items()})
        yield Pair(balancer, gateways, office.key())


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "closed"])
def test_no_request_fails_while_each_gateway_is_restarted(pair: Pair, keep_alive: bool) -> None:
    with Callers(pair.balancer.url, pair.key, keep_alive) as callers:
        for name, gateway in pair.gateways.items():
            before = callers.served(name)
            wait_until(lambda before=before, name=name: callers.served(name) > before)  # type: ignore[misc]
            gateway.terminate()
            assert gateway.wait(PATIENCE) == 0
            gateway.start()
            pair.balancer.wait_for(name, "UP")
            after = callers.served(name)
            wait_until(lambda after=after, name=name: callers.served(name) > after)  # type: ignore[misc]
    assert callers.broken == []
    assert {status for status, _ in callers.seen} == {200}
    assert {name for _, name in callers.seen} == set(pair.gateways)


def test_it_serves_and_is_not_ready_until_the_delay_is_over(pair: Pair) -> None:
    name, gateway = next(iter(pair.gateways.items()))
    headers = {"Authorization": f"Bearer {pair.key}"}
    with httpx.Client(base_url=gateway.url, trust_env=False, headers=headers) as client:
        assert client.get("/readyz").status_code == 200
        gateway.terminate()
        wait_until(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/readyz").json()["checks"].keys() == {"draining"}
        assert client.get("/livez").status_code == 200
        # On a new connection too.
        assert httpx.get(f"{gateway.url}/livez", trust_env=False).status_code == 200
        assert client.get("/api/auth/whoami").status_code == 200
    assert gateway.wait(PATIENCE) == 0
    gateway.start()
    pair.balancer.wait_for(name, "UP")


def test_a_second_signal_ends_the_delay(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> None:
    with GatewayProcess(
        tmp_path,
        free_port(),
        database_url=new_database(),
        mlflow_url=mlflow_server.url,
        key_pepper="pepper of the tests",
        attestor_key="a7" * 32,
        # It would outlive the test.
        drain_delay="3600",
    ) as gateway:
        gateway.terminate()
        wait_until(lambda: gateway.status("/readyz") == 503)
        gateway.terminate()
        assert gateway.wait(PATIENCE) == 0


def test_every_worker_drains(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> None:
    with (
        RunningRedis(tmp_path) as redis,
        GatewayProcess(
            tmp_path,
            free_port(),
            database_url=new_database(),
            mlflow_url=mlflow_server.url,
            redis_url=redis.url,
            key_pepper="pepper of the tests",
            attestor_key="a7" * 32,
            workers="2",
            drain_delay="1",
        ) as gateway,
    ):
        gateway.terminate()
        wait_until(lambda: gateway.status("/readyz") == 503)
        assert gateway.wait(PATIENCE) == 0
