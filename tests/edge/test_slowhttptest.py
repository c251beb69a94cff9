"""slowhttptest's attacks at the real time limits, beside a caller that must not notice them.

`make slow` runs these; they take minutes. tests/edge/test_slow_clients.py has the same with short
limits, in the suite.
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
from tests.support.answers import good
from tests.support.process import GatewayProcess
from tests.support.redis import free_port

PROGRAM = shutil.which("slowhttptest")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="slowhttptest is not installed"),
]
MANY = 200
ARTIFACTS = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
# Between two rounds of the honest caller, and between two lines of progress, in seconds.
PAUSE = 0.2
REPORT = 10.0
# What a connection may take beyond its limit on a busy machine, in seconds.
SLACK = 15.0
LARGE = 30_000_000


@dataclass(frozen=True)
class Attack:
    """options: of slowhttptest. seconds: after which the gateway lets no connection live.

    known: whether the attacker has a good key.
    """

    options: Sequence[str]
    path: str
    seconds: float
    known: bool = False


BODY = ("-B", "-i", "10", "-s", "1000000", "-x", "10")
# It reads 160 bytes a second, through a small window.
UNREAD = ("-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "160")
ATTACKS = {
    "heads": Attack(("-H", "-i", "5"), "/livez", 10),
    # A body is given four of its longest gaps, of 30 seconds, to show its pace.
    "bodies": Attack(
        (*BODY, "-t", "POST", "-f", "application/json"), "/api/attestations/verify", 130
    ),
    "uploads": Attack((*BODY, "-t", "PUT"), f"{ARTIFACTS}/{{folder}}/slow.bin", 130, known=True),
    "unread answers": Attack((*UNREAD, "-k", "10"), "/openapi.json", 120),
    "unread downloads": Attack(UNREAD, f"{ARTIFACTS}/{{folder}}/large.bin", 120, known=True),
}


@dataclass
class Honest:
    """A caller that opens a new connection for each of its rounds, in a thread."""

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
class Scene:
    """A gateway with its default limits of time, and those who call it."""

    gateway: GatewayProcess
    honest: str
    attacker: str
    folder: str

    def connections(self) -> int:
        """How many of its clients' connections are open, the honest caller's among them."""
        process = psutil.Process(self.gateway.pid)
        return sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == self.gateway.port
            for one in process.net_connections(kind="tcp")
        )


@pytest.fixture(scope="module")
def scene(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("slow")
    # No limit on requests: what is looked at is what becomes of those that are let in.
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
        yield Scene(running, honest, attacker, folder)


def _key(client: httpx.Client, admin: str) -> str:
    tenant = f"t-{secrets.token_hex(6)}"
    answer = client.post(
        "/api/admin/keys", json={"tenant": tenant, "name": "slow"}, headers={"X-API-Key": admin}
    )
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


@pytest.mark.parametrize("name", ATTACKS)
def test_two_hundred_slow_connections_are_gone_and_nobody_noticed(
    scene: Scene, name: str, tmp_path: Path
) -> None:
    attack = ATTACKS[name]
    assert PROGRAM is not None
    path = attack.path.format(folder=scene.folder)
    command = [PROGRAM, *attack.options, "-c", str(MANY), "-r", "100", "-p", "30"]
    command += ["-l", str(int(attack.seconds + 10 * SLACK)), "-u", scene.gateway.url + path]
    if attack.known:
        # It has no option for a header of one's own, but writes a cookie as it is given.
        command += ["-j", f"a=b\r\nAuthorization: Bearer {scene.attacker}"]
    most, fewest_since = 0, time.monotonic()
    with (
        Honest(scene.gateway.url, scene.honest) as honest,
        (tmp_path / "slowhttptest.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as attacking,
    ):
        began = told = time.monotonic()
        gone = 0.0
        try:
            while time.monotonic() - began < attack.seconds + SLACK:
                now = scene.connections()
                most = max(most, now)
                if time.monotonic() - told >= REPORT:
                    told = time.monotonic()
                    print(f"{name}: {told - began:.0f} s, {now} connections, {honest}", flush=True)
                # The honest caller has one, and slowhttptest's look at whether we live another.
                if now > 2:
                    fewest_since = time.monotonic()
                elif most >= MANY and time.monotonic() - fewest_since > 1:
                    gone = fewest_since - began
                    break
                time.sleep(PAUSE)
        finally:
            attacking.kill()
    print(f"{name}: at most {most} connections, gone after {gone:.0f} s; {honest}", flush=True)
    assert most >= MANY
    assert gone, "some are still there"
    assert set(honest.statuses) == {200}
    assert scene.gateway.status("/readyz") == 200
