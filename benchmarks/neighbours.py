"""One client address does its worst, and another tenant works: its latency, and the memory."""

import http.client
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.fill import fill
from benchmarks.floods import FLOODS
from benchmarks.launcher import Launcher, clean_environment, python
from benchmarks.processes import peak_bytes, reset_peak
from benchmarks.report import Rounds, Table, Verdict
from benchmarks.stack import COMMAND, gateway_settings, start_backend

MAX_TIMES = 5
MAX_MEGABYTES = 200
# Part of the rows of `grown`.
SCALE = 0.02
# The least seconds of a round: a p99 needs some hundred requests.
SECONDS = 8
# Between two requests of the neighbour, and between two floods.
PAUSE, REST = 0.01, 2
PATHS = (
    "/api/models?limit=1",
    "/api/models/hkm_7",
    "/api/mlflow/api/2.0/mlflow/runs/get?run_id=a",
)


@dataclass(frozen=True)
class Neighbour:
    """One round of the neighbour's requests. p50, p99, worst: ms. failed: other than 200.

    times: p99 divided by the idle p99 of this round. peak: MB of the gateway's resident memory.
    """

    requests: int
    failed: int
    p50: float
    p99: float
    worst: float
    times: float
    peak: float


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `neighbours`: first without a flood, then during each one."""
    backend = start_backend(launcher, "neighbours-direct")
    settings = gateway_settings(launcher, backend.base, "neighbours")
    # The limits are those of a deployment; the neighbour's key has a higher one.
    del settings["HOKUSAI_RATE_LIMIT"], settings["HOKUSAI_WALLET_ADDRESS_LIMIT"]
    url = f"http://127.0.0.1:{settings['HOKUSAI_PORT']}"
    pid = launcher.start("neighbours-gateway", COMMAND, f"{url}/livez", environment=settings)
    admin = (Path(settings["HOKUSAI_DATA_DIR"]) / "admin.key").read_text().strip()
    neighbour = _key(url, admin, "neighbour", rate_limit=1_000_000)
    attacker = _key(url, admin, "attacker")
    fill(settings["HOKUSAI_DATABASE_URL"], SCALE)
    seconds = max(SECONDS, options.seconds)
    _measure(url, neighbour, pid, 2, 0)
    rounds: Rounds = {name: [] for name in ("idle", *FLOODS)}
    for _ in range(options.rounds):
        idle = _measure(url, neighbour, pid, seconds, 0)
        rounds["idle"].append(idle)
        for name in FLOODS:
            command = python("-m", "benchmarks.floods", name, url, str(seconds + 2), attacker)
            # With a low priority, so that it takes no CPU time from the gateway.
            flood = subprocess.Popen(["nice", "-n", "19", *command], env=clean_environment())
            try:
                time.sleep(1)
                rounds[name].append(_measure(url, neighbour, pid, seconds, idle.p99))
            finally:
                flood.terminate()
                flood.wait()
            print(f"neighbours: {name}", file=sys.stderr, flush=True)
            time.sleep(REST)
    yield Table("neighbours", rounds, "idle", (), list(_verdicts(rounds)))


def _verdicts(rounds: Rounds) -> Iterator[Verdict]:
    for name, bound, unit in (("times", MAX_TIMES, "x idle"), ("peak", MAX_MEGABYTES, "MB")):
        by_flood = {
            flood: statistics.median(getattr(one, name) for one in measured)
            for flood, measured in rounds.items()
            if flood != "idle"
        }
        worst = max(by_flood, key=lambda flood: by_flood[flood])
        what = "a neighbour's p99" if name == "times" else "resident memory"
        yield Verdict(f"{what} ({worst})", by_flood[worst], unit, bound)


def _measure(url: str, key: str, pid: int, seconds: float, idle: float) -> Neighbour:
    parts = urlsplit(url)
    reset_peak(pid)
    times: list[float] = []
    failed = 0
    end = time.monotonic() + seconds
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    while time.monotonic() < end:
        for path in PATHS:
            began = time.perf_counter()
            try:
                connection.request("GET", path, headers={"X-API-Key": key})
                response = connection.getresponse()
                response.read()
                failed += response.status != http.client.OK
            except (OSError, http.client.HTTPException):
                failed += 1
                connection.close()
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE)
    connection.close()
    p99 = statistics.quantiles(times, n=100)[98]
    return Neighbour(
        requests=len(times),
        failed=failed,
        p50=statistics.median(times),
        p99=p99,
        worst=max(times),
        times=p99 / idle if idle else 1.0,
        peak=peak_bytes(pid) / 1e6,
    )


def _key(url: str, admin: str, tenant: str, **more: object) -> str:
    body = {"name": "benchmark", "tenant": tenant, "scopes": ["read", "write"], **more}
    response = httpx.post(
        f"{url}/api/admin/keys", json=body, headers={"X-API-Key": admin}, trust_env=False
    )
    key: str = response.raise_for_status().json()["key"]
    return key
