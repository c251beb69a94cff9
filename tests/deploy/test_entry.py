"""deploy/haproxy/haproxy.cfg, run by a real HAProxy in front of two real gateways."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.deploy.files import ROOT
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.metrics import Scrape
from tests.support.redis import RunningRedis, free_port
from tests.support.sql import sql
from tests.support.waiting import wait_until

CONFIG = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
HAPROXY = shutil.which("haproxy")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")


@pytest.fixture
def health_port() -> int:
    return free_port()


@pytest.fixture
def health(health_port: int) -> Callable[[], int]:
    """What the entry's own health check is answered."""
    url = f"http://127.0.0.1:{health_port}/health"
    return lambda: httpx.get(url, trust_env=False).status_code


@pytest.fixture
def start(tmp_path: Path, health_port: int) -> Iterator[Callable[..., str]]:
    """Runs the configuration in front of the given ports: its address."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*gateways: int, trusted: str = "192.0.2.1", checked: bool = True) -> str:
        """trusted: ENTRY_TRUSTED_PROXIES. checked: wait for the result of the first checks."""
        assert HAPROXY is not None
        entry = free_port()
        text = CONFIG.replace("bind :8000", f"bind 127.0.0.1:{entry}")
        text = text.replace("bind 127.0.0.1:8080", f"bind 127.0.0.1:{health_port}")
        # Instead of the engine's name server, which gives an address for each replica.
        servers = "\n".join(f"    server g{port} 127.0.0.1:{port}" for port in gateways)
        text, found = re.subn(r"^    server-template .*$", servers, text, flags=re.MULTILINE)
        assert found == 2
        (tmp_path / "haproxy.cfg").write_text(text)
        started.append(
            subprocess.Popen(
                [HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")],
                env={**os.environ, "ENTRY_TRUSTED_PROXIES": trusted},
            )
        )
        if checked:
            url = f"http://127.0.0.1:{health_port}/health"
            wait_until(lambda: answers(url, 200 if gateways else 503))
        else:
            wait_until(lambda: listens(entry))
        return f"http://127.0.0.1:{entry}"

    yield run
    for process in started:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, status: int) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == status
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("trusted", [None, "172.31.249.1", "10.0.0.0/8 fd00::/8 127.0.0.1"])
def test_the_file_is_one_that_haproxy_takes(trusted: str | None) -> None:
    assert HAPROXY is not None
    run = subprocess.run(
        [HAPROXY, "-c", "-f", str(ROOT / "deploy/haproxy/haproxy.cfg")],
        env={**os.environ, **({} if trusted is None else {"ENTRY_TRUSTED_PROXIES": trusted})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_gateways_behind_the_entry_are_one(
    start: Callable[..., str],
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    tmp_path: Path,
) -> None:
    database = new_database()
    with RunningRedis(tmp_path) as redis:
        shared = {
            "redis_url": redis.url,
            "replicas": 2,
            "rate_limit": 10,
            "trusted_proxies": "127.0.0.0/8",
        }
        with RunningGateway(database, mlflow_server.url, **shared) as one:
            with RunningGateway(database, mlflow_server.url, **shared) as two:
                url = start(one.port, two.port)
                headers = {"Authorization": f"Bearer {one.key()}"}
                left = [
                    int(
                        httpx.get(
                            f"{url}/api/auth/whoami", headers=headers, trust_env=False
                        ).headers["RateLimit-Remaining"]
                    )
                    for _ in range(6)
                ]
                assert left == [9, 8, 7, 6, 5, 4]
            # One is gone: nobody notices.
            for _ in range(4):
                assert httpx.get(f"{url}/version", trust_env=False).status_code == 200


def test_a_gateway_that_stops_is_left_while_it_still_serves(
    start: Callable[..., str],
    health: Callable[[], int],
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    tmp_path: Path,
) -> None:
    settings = {
        "database_url": new_database(),
        "mlflow_url": mlflow_server.url,
        "key_pepper": "pepper of the tests",
        "attestor_key": "a7" * 32,
        "drain_delay": "60",
    }
    with GatewayProcess(tmp_path, free_port(), **settings) as gateway:
        url = start(gateway.port)
        gateway.terminate()
        wait_until(lambda: health() == 503)
        assert gateway.status("/version") == 200
        # No other one is there, so it is used for as long as it serves.
        answers = [httpx.get(f"{url}/version", trust_env=False) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        gateway.terminate()
        assert gateway.wait(60) == 0


def test_no_request_fails_while_gateways_are_added(
    start: Callable[..., str], new_database: Callable[[], str]
) -> None:
    """An address is known as soon as its container starts, and before anything listens there."""
    with RunningGateway(new_database(), f"http://127.0.0.1:{free_port()}") as gateway:
        url = start(free_port(), gateway.port, free_port(), checked=False)
        with ThreadPoolExecutor(8) as pool:
            statuses = list(
                pool.map(
                    lambda _: httpx.get(f"{url}/version", trust_env=False).status_code, range(200)
                )
            )
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("trusted", "sent", "seen"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("192.0.2.1 127.0.0.0/8", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("192.0.2.1", "203.0.113.7", "127.0.0.1"),
    ],
)
def test_the_address_of_a_client_behind_a_tls_proxy_is_kept(
    start: Callable[..., str],
    new_database: Callable[[], str],
    trusted: str,
    sent: str | None,
    seen: str,
) -> None:
    with RunningGateway(
        new_database(), f"http://127.0.0.1:{free_port()}", trusted_proxies="127.0.0.0/8"
    ) as gateway:
        url = start(gateway.port, trusted=trusted)
        headers = {"Authorization": f"Bearer {gateway.key(scopes=ALL_SCOPES)}"}
        if sent is not None:
            headers["X-Forwarded-For"] = sent
        made = httpx.post(f"{url}/api/keys", json={"name": "x"}, headers=headers, trust_env=False)
        assert made.status_code == 201, made.text
        rows = sql(gateway, "select client from audit_events where action = 'key.created'")
    assert (seen,) in rows


def test_a_gateway_without_mlflow_stays(
    start: Callable[..., str], health: Callable[[], int], new_database: Callable[[], str]
) -> None:
    with RunningGateway(new_database(), f"http://127.0.0.1:{free_port()}") as gateway:
        url = start(gateway.port)
        checks = scraped(gateway)
        # It is asked again and again, says that it is not ready, and is kept.
        wait_until(lambda: scraped(gateway) > checks + 2)
        assert health() == 200
        assert httpx.get(f"{url}/version", trust_env=False).status_code == 200
        assert httpx.get(f"{gateway.url}/readyz", trust_env=False).status_code == 503


def scraped(gateway: RunningGateway) -> float:
    """How often the gateway has said that it is not ready."""
    found = Scrape(gateway.app.fast_path.lifecycle.metrics.exposition().decode())
    name = "hokusai_request_seconds_count"
    return found.value(name, method="GET", route="/readyz", status="503")


def test_without_a_gateway_the_entry_answers_as_the_gateway_would(
    start: Callable[..., str],
) -> None:
    answer = httpx.get(f"{start()}/api/mlflow/api/2.0/mlflow/runs/get", trust_env=False)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_each_answer_of_its_own_is_a_problem_of_its_status() -> None:
    found = re.findall(
        r"^    http-error status (\d+) content-type (\S+) string '(.*)'$", CONFIG, re.M
    )
    assert {status for status, _, _ in found} == {"400", "408", "502", "503", "504"}
    for status, kind, body in found:
        assert kind == "application/problem+json"
        assert json.loads(body)["status"] == int(status)
        assert json.loads(body)["message"]
