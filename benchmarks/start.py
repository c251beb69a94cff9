"""The time from the start of a process to its first response, without child processes."""

import subprocess
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import httpx

from benchmarks.launcher import ROOT, Launcher, clean_environment, free_port, python, stop
from benchmarks.processes import cpu_seconds
from benchmarks.report import Table, Verdict, alternate, values
from benchmarks.stack import COMMAND, gateway_settings, start_backend

MAX_SECONDS = 1.5
PATIENCE = 60.0


@dataclass(frozen=True)
class Start:
    """Until the first response of any status. seconds: elapsed time; cpu: CPU time in seconds."""

    seconds: float
    cpu: float


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `start`: the gateway with a migrated database and MLflow; the textbook without both."""
    backend = start_backend(launcher, "start-backend")
    settings = gateway_settings(launcher, backend.base, "start")
    gateway = partial(_start, COMMAND, f"http://127.0.0.1:{settings['HOKUSAI_PORT']}", settings)
    port = str(free_port())
    textbook = partial(
        _start,
        python("-m", "uvicorn", "benchmarks.textbook:app", "--port", port, "--no-access-log"),
        f"http://127.0.0.1:{port}",
        {"UPSTREAM": backend.base, "API_KEY": "none"},
    )
    gateway()  # the first start migrates the database and creates a key
    rounds = alternate("start", options.rounds, {"gateway": gateway, "textbook": textbook})
    slowest = max(values(rounds, "seconds", "gateway"))
    verdict = Verdict("start to first response, the slowest", slowest, "s", MAX_SECONDS)
    yield Table("start", rounds, "textbook", ("seconds", "cpu"), [verdict])


def _start(command: list[str], url: str, environment: Mapping[str, str]) -> Start:
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**clean_environment(), **environment},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            while process.poll() is None and time.perf_counter() - started < PATIENCE:
                try:
                    client.get(f"{url}/livez")
                    return Start(time.perf_counter() - started, cpu_seconds(process.pid))
                except httpx.ConnectError:
                    time.sleep(0.005)
    finally:
        stop(process)
    raise RuntimeError(f"{command[:4]} did not start")
