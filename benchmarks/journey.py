"""A training journey with a stock MLflow client: about fifty requests, and 5 MB up and down."""

import base64
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.launcher import ROOT, Target, clean_environment, python
from benchmarks.peers import Servers
from benchmarks.processes import cpu_seconds
from benchmarks.report import Table, alternate


@dataclass(frozen=True)
class Journey:
    """seconds: duration for the client; cpu: CPU time of the servers, in seconds."""

    seconds: float
    cpu: float


def run(servers: Servers, options: Namespace) -> Iterator[Table]:
    """Run `journey`: one client, one journey per round, after one that is not measured."""
    measures = {target.name: partial(_measure, servers, target) for target in servers.all}
    rounds = alternate("journey", options.journeys, measures)
    yield Table("journey", rounds, "direct", ("seconds", "cpu"))


def _measure(servers: Servers, target: Target) -> Journey:
    pids = {target.pid, servers.direct.pid if target is servers.gateway else target.pid}
    client = subprocess.Popen(
        python("-W", "ignore", "-m", "benchmarks.journey_client", "2"),
        env={**clean_environment(), **_settings(target)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    with client:
        client.stdout.readline()
        before = sum(map(cpu_seconds, pids))
        rest, errors = client.communicate()
        cpu = sum(map(cpu_seconds, pids)) - before
    seconds = [float(word) for word in rest.split() if word.replace(".", "", 1).isdigit()]
    if client.returncode or not seconds:
        raise RuntimeError(f"{target.name}: the journey failed:\n{errors[-2000:]}")
    return Journey(seconds[-1], cpu)


def _settings(target: Target) -> dict[str, str]:
    """The environment variables of an MLflow client of this server."""
    kind, _, secret = target.authorization.partition(" ")
    settings = {
        "MLFLOW_TRACKING_URI": target.base,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    if kind == "Bearer":
        settings["MLFLOW_TRACKING_TOKEN"] = secret
    elif kind == "Basic":
        user, _, password = base64.b64decode(secret).decode().partition(":")
        settings |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
    return settings
