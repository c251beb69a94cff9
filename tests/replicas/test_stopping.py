"""Graceful shutdown: requests in flight finish, and a load balancer loses none."""

import hashlib
import http.client
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway_process import GatewayProcess
from tests.support.haproxy import SERVED_BY, LoadBalancer
from tests.support.redis import RunningRedis, free_port
from tests.support.responses import good
from tests.support.serve_process import ServeProcess
from tests.support.waiting import wait_until

WHOAMI = "/api/auth/whoami"
API = "/api/mlflow/api/2.0"
MEGABYTE = 1024**2
SIZE = 200 * MEGABYTE
# Seconds; reached only by a gateway that does not end.
GRACE = 120
HIGH = {"rate_limit": "1000000", "anonymous_limit": "1000000", "failure_limit": "1000000"}


def blocks() -> Iterator[bytes]:
    """An artifact of SIZE bytes, in which no two megabytes are equal."""
    for number in range(SIZE // MEGABYTE):
        yield hashlib.sha256(number.to_bytes(4, "big")).digest() * (MEGABYTE // 32)


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def settings(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> dict[str, str]:
    return {
        "database_url": new_database(),
        "mlflow_url": mlflow_server.url,
        "key_pepper": "pepper of the tests",
        "attestor_key": "a7" * 32,
        "shutdown_grace_period": str(GRACE),
        **HIGH,
    }


def test_an_upload_and_a_download_of_200_mb_outlive_sigterm(
    settings: dict[str, str], tmp_path: Path
) -> None:
    expected = hashlib.sha256()
    for block in blocks():
        expected.update(block)
    with GatewayProcess(tmp_path, free_port(), **settings) as gateway:
        headers = {"Authorization": f"Bearer {gateway.admin_key}"}
        with httpx.Client(
            base_url=gateway.url, headers=headers, timeout=60, trust_env=False
        ) as client:
            run = good(client.post(f"{API}/mlflow/runs/create", json={"experiment_id": "0"}))
            root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
            path = f"{API}/mlflow-artifacts/artifacts/{root}"
            assert client.put(f"{path}/down", content=blocks()).status_code == 200

        # Read one byte of the download, and send half of the upload.
        down = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        down.request("GET", f"{path}/down", headers=headers)
        download = down.getresponse()
        assert download.status == 200
        received = hashlib.sha256(download.read(1))
        up = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        up.putrequest("PUT", f"{path}/up")
        for name, value in {**headers, "Content-Length": str(SIZE)}.items():
            up.putheader(name, value)
        up.endheaders()
        remaining = blocks()
        for _ in range(SIZE // MEGABYTE // 2):
            up.send(next(remaining))

        gateway.terminate()
        wait_until(lambda: refuses(gateway.port))
        for block in remaining:
            up.send(block)
        assert up.getresponse().status == 200
        while piece := download.read(MEGABYTE):
            received.update(piece)
        assert received.hexdigest() == expected.hexdigest()
        up.close()
        down.close()
        assert gateway.wait(GRACE) == 0
        log = gateway.log.read_text()
        assert "Traceback" not in log
        assert "Cancel" not in log

        # The file uploaded during the shutdown is complete.
        gateway.start()
        wait_until(gateway.is_live)
        stored = hashlib.sha256()
        with httpx.stream(
            "GET", f"{gateway.url}{path}/up", headers=headers, timeout=60, trust_env=False
        ) as response:
            for piece in response.iter_bytes(MEGABYTE):
                stored.update(piece)
        assert stored.hexdigest() == expected.hexdigest()
        for name in ("up", "down"):
            gone = httpx.delete(f"{gateway.url}{path}/{name}", headers=headers, trust_env=False)
            assert gone.is_success


def test_bodies_that_stall_end_with_the_grace_period(
    settings: dict[str, str], tmp_path: Path
) -> None:
    """The kernel transfers both bodies when the process ends."""
    with GatewayProcess(
        tmp_path, free_port(), **{**settings, "shutdown_grace_period": "1"}
    ) as gateway:
        headers = {"Authorization": f"Bearer {gateway.admin_key}"}
        with httpx.Client(
            base_url=gateway.url, headers=headers, timeout=60, trust_env=False
        ) as client:
            run = good(client.post(f"{API}/mlflow/runs/create", json={"experiment_id": "0"}))
            root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
            path = f"{API}/mlflow-artifacts/artifacts/{root}"
            large = bytes(40 * MEGABYTE)
            assert client.put(f"{path}/down", content=large).status_code == 200

        with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)) as down:
            down.request("GET", f"{path}/down", headers=headers)
            assert len(down.getresponse().read(1)) == 1
            with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)) as up:
                up.putrequest("PUT", f"{path}/up")
                for name, value in {**headers, "Content-Length": str(len(large))}.items():
                    up.putheader(name, value)
                up.endheaders()
                up.send(large[: len(large) // 2])
                gateway.terminate()
                assert gateway.wait(GRACE) == 0
        assert "Cancel 2 running task(s)" in gateway.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopping_gateway_is_not_ready_and_still_serves(
    settings: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with RunningRedis(tmp_path) as redis:
        given = {"redis_url": redis.url, "workers": str(workers), "drain_delay": "30"}
        with ServeProcess(tmp_path / "data", **settings | given) as serving:
            serving.wait_for_status("/readyz", 200)
            serving.process.send_signal(signal.SIGTERM)
            serving.wait_for_status("/readyz", 503)
            with httpx.Client(base_url=serving.url, trust_env=False, timeout=30) as client:
                headers = {"Authorization": f"Bearer {serving.admin_key}"}
                # Each check uses a new connection, so that all workers are reached.
                wait_until(lambda: not_ready(serving.url, 20))
                good(client.get(WHOAMI, headers=headers))
                good(client.get("/livez"))
            # A second signal ends the drain delay.
            if workers == 1:
                assert serving.stop(signal.SIGTERM) == 0
            else:
                for worker in serving.descendants():
                    worker.terminate()
                assert serving.process.wait(GRACE) == 0
            assert "Traceback" not in serving.output


def not_ready(url: str, times: int) -> bool:
    """Whether this number of new connections all get 503 with the reason `draining`."""
    for _ in range(times):
        response = httpx.get(f"{url}/readyz", trust_env=False, timeout=30)
        if response.status_code != 503:
            return False
        assert response.json()["checks"].keys() == {"draining"}
    return True


class Traffic:
    """Callers of the load balancer, each in a thread, until the `with` block ends."""

    def __init__(self, url: str, key: str, path: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._path = path
        self._ending = threading.Event()
        self.responses: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(4)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def served_by(self, start: int, name: str) -> bool:
        """Whether the gateway of this name gave one of the responses from `start` on."""
        return name in {by for by, _ in self.responses[start:]}

    def _work(self, number: int) -> None:
        turn = 0
        # Two callers keep their connections, two open a new one for each request.
        headers = self._headers | ({"Connection": "close"} if number % 2 else {})
        with httpx.Client(
            base_url=self._url, headers=headers, timeout=60, trust_env=False
        ) as client:
            while not self._ending.is_set():
                turn += 1
                try:
                    if turn % 5:
                        response = client.get(WHOAMI)
                    else:
                        response = client.put(f"{self._path}/{number}", content=b"x" * 100_000)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                self.responses.append((response.headers.get(SERVED_BY, ""), response.status_code))
                # This is not a load test.
                self._ending.wait(0.01)


def test_a_rolling_restart_loses_no_request(
    settings: dict[str, str], balancer: LoadBalancer, tmp_path: Path
) -> None:
    # The load balancer checks readiness five times a second.
    given = settings | {"drain_delay": "3"}
    with (
        GatewayProcess(tmp_path, free_port(), **given) as one,
        GatewayProcess(tmp_path, free_port(), **given) as other,
    ):
        replicas = {"one": one, "other": other}
        balancer.start({name: replica.port for name, replica in replicas.items()})
        headers = {"Authorization": f"Bearer {one.admin_key}"}
        run = httpx.post(
            f"{balancer.url}{API}/mlflow/runs/create",
            json={"experiment_id": "0"},
            headers=headers,
            timeout=60,
            trust_env=False,
        )
        root = good(run)["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        path = f"{API}/mlflow-artifacts/artifacts/{root}"
        with Traffic(balancer.url, one.admin_key, path) as traffic:
            for name, replica in replicas.items():
                began = len(traffic.responses)
                wait_until(lambda began=began: len(traffic.responses) > began + 50)  # type: ignore[misc]
                replica.terminate()
                balancer.wait_for(name, "DOWN")
                assert replica.wait(GRACE) == 0
                replica.start()
                balancer.wait_for(name, "UP")
                began = len(traffic.responses)
                wait_until(lambda began=began, name=name: traffic.served_by(began, name))  # type: ignore[misc]
        assert traffic.failures == []
        assert {status for _, status in traffic.responses} == {200}
        assert {by for by, _ in traffic.responses} == {"one", "other"}
