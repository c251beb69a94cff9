"""slowhttptest's attacks with the production time limits, beside a caller that must not notice.

`make slow` runs these; they take minutes. tests/edge/test_slow_clients.py tests the same with short
limits in the suite.
"""

import secrets
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway_process import GatewayProcess
from tests.support.redis import free_port
from tests.support.responses import good

PROGRAM = shutil.which("slowhttptest")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="slowhttptest is not installed"),
]
CONNECTIONS = 200
ARTIFACTS = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
# Seconds between two rounds of the honest caller, and between two lines of progress.
PAUSE = 0.2
REPORT = 10.0
# Seconds that a connection may exceed its limit on a busy machine.
SLACK = 15.0
LARGE = 30_000_000


@dataclass(frozen=True)
class Attack:
    """options: of slowhttptest. seconds: after which no connection may be open.

    authenticated: whether the attacker has a valid key.
    """

    options: Sequence[str]
    path: str
    seconds: float
    authenticated: bool = False


BODY = ("-B", "-i", "10", "-s", "1000000", "-x", "10")
# It reads 160 bytes a second, with a small receive window.
UNREAD = ("-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "160")
ATTACKS = {
    "heads": Attack(("-H", "-i", "5"), "/livez", 10),
    # The rate of a body is measured over four body timeouts of 30 seconds.
    "bodies": Attack(
        (*BODY, "-t", "POST", "-f", "application/json"), "/api/attestations/verify", 130
    ),
    "uploads": Attack(
        (*BODY, "-t", "PUT"), f"{ARTIFACTS}/{{folder}}/slow.bin", 130, authenticated=True
    ),
    "unread responses": Attack((*UNREAD, "-k", "10"), "/openapi.json", 120),
    "unread downloads": Attack(
        UNREAD, f"{ARTIFACTS}/{{folder}}/large.bin", 120, authenticated=True
    ),
}


@dataclass
class HonestCaller:
    """A caller in a thread, which opens a new connection for each round."""

    url: str
    key: str
    statuses: Counter[int | str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def __str__(self) -> str:
        taken = sorted(self.seconds) or [0.0]
        median, longest = taken[len(taken) // 2] * 1000, taken[-1] * 1000
        return f"honest {dict(self.statuses)}, median {median:.0f} ms, longest {longest:.0f} ms"

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            headers = {"Authorization": f"Bearer {self.key}"}
            with httpx.Client(
                base_url=self.url, headers=headers, timeout=30, trust_env=False
            ) as client:
                for path in ("/livez", "/api/limits", SEARCH):
                    began = time.monotonic()
                    try:
                        self.statuses[client.get(path).status_code] += 1
                    except httpx.TransportError as error:
                        self.statuses[type(error).__name__] += 1
                    self.seconds.append(time.monotonic() - began)


@dataclass(frozen=True)
class AttackedGateway:
    """A gateway with the default time limits, and the keys of its callers."""

    gateway: GatewayProcess
    honest: str
    attacker: str
    folder: str

    def connections(self) -> int:
        """The number of open client connections, including the honest caller's."""
        process = psutil.Process(self.gateway.pid)
        return sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == self.gateway.port
            for one in process.net_connections(kind="tcp")
        )


@pytest.fixture(scope="module")
def attacked(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AttackedGateway]:
    directory = tmp_path_factory.mktemp("slow")
    # No rate limits: the test is about requests that are admitted.
    with GatewayProcess(
        directory,
        free_port(),
        database_url=new_database(),
        mlflow_url=mlflow_server.url,
        rate_limit="1000000",
        anonymous_limit="1000000",
        failure_limit="1000000",
    ) as running:
        with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as client:
            honest, attacker = (_key(client, running.admin_key) for _ in range(2))
            client.headers["Authorization"] = f"Bearer {attacker}"
            created = client.post(
                "/api/mlflow/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}
            )
            folder = good(created)["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
            put = client.put(f"{ARTIFACTS}/{folder}/large.bin", content=bytes(LARGE))
            assert put.status_code == 200, put.text
        yield AttackedGateway(running, honest, attacker, folder)


def _key(client: httpx.Client, admin: str) -> str:
    tenant = f"t-{secrets.token_hex(6)}"
    response = client.post(
        "/api/admin/keys", json={"tenant": tenant, "name": "slow"}, headers={"X-API-Key": admin}
    )
    assert response.status_code == 201, response.text
    key: str = response.json()["key"]
    return key


@pytest.mark.parametrize("name", ATTACKS)
def test_two_hundred_slow_connections_are_closed_without_disturbing_others(
    attacked: AttackedGateway, name: str, tmp_path: Path
) -> None:
    attack = ATTACKS[name]
    assert PROGRAM is not None
    path = attack.path.format(folder=attacked.folder)
    command = [PROGRAM, *attack.options, "-c", str(CONNECTIONS), "-r", "100", "-p", "30"]
    command += ["-l", str(int(attack.seconds + 10 * SLACK)), "-u", attacked.gateway.url + path]
    if attack.authenticated:
        # slowhttptest has no option for other headers, but sends a cookie unchanged.
        command += ["-j", f"a=b\r\nAuthorization: Bearer {attacked.attacker}"]
    most, few_since = 0, time.monotonic()
    with (
        HonestCaller(attacked.gateway.url, attacked.honest) as honest,
        (tmp_path / "slowhttptest.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as attacking,
    ):
        began = reported = time.monotonic()
        closed_after = 0.0
        try:
            while time.monotonic() - began < attack.seconds + SLACK:
                now = attacked.connections()
                most = max(most, now)
                if time.monotonic() - reported >= REPORT:
                    reported = time.monotonic()
                    print(
                        f"{name}: {reported - began:.0f} s, {now} connections, {honest}", flush=True
                    )
                # One is the honest caller's, one slowhttptest's probe of the gateway.
                if now > 2:
                    few_since = time.monotonic()
                elif most >= CONNECTIONS and time.monotonic() - few_since > 1:
                    closed_after = few_since - began
                    break
                time.sleep(PAUSE)
        finally:
            attacking.kill()
    print(
        f"{name}: at most {most} connections, closed after {closed_after:.0f} s; {honest}",
        flush=True,
    )
    assert most >= CONNECTIONS
    assert closed_after, "some connections are still open"
    assert set(honest.statuses) == {200}
    assert attacked.gateway.status("/readyz") == 200
