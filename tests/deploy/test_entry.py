"""deploy/haproxy/haproxy.cfg, run by a real HAProxy in front of two real gateways."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.deploy.files import ROOT
from tests.support.gateway import RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.metrics import Scrape
from tests.support.redis import RunningRedis, free_port
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

    def run(*gateways: int) -> str:
        assert HAPROXY is not None
        entry = free_port()
        text = CONFIG.replace("bind :8000", f"bind 127.0.0.1:{entry}")
        text = text.replace("bind 127.0.0.1:8080", f"bind 127.0.0.1:{health_port}")
        # Instead of the engine's name server, which gives an address for each replica.
        servers = "\n".join(f"    server g{port} 127.0.0.1:{port}" for port in gateways)
        text, found = re.subn(r"^    server-template .*$", servers, text, flags=re.MULTILINE)
        assert found == 1
        (tmp_path / "haproxy.cfg").write_text(text)
        started.append(subprocess.Popen([HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")]))
        url = f"http://127.0.0.1:{health_port}/health"
        wait_until(lambda: answers(url, 200 if gateways else 503))
        return f"http://127.0.0.1:{entry}"

    yield run
    for process in started:
        process.terminate()
        process.wait()


def answers(url: str, status: int) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == status
    except httpx.TransportError:
        return False


def test_the_file_is_one_that_haproxy_takes() -> None:
    assert HAPROXY is not None
    run = subprocess.run(
        [HAPROXY, "-c", "-f", str(ROOT / "deploy/haproxy/haproxy.cfg")],
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
        start(gateway.port)
        gateway.terminate()
        wait_until(lambda: health() == 503)
        assert gateway.status("/version") == 200
        gateway.terminate()
        assert gateway.wait(60) == 0


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
