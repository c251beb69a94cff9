"""`runs/get` against a real MLflow: by itself, behind the gateway, and with its peers."""

import statistics
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from app.access.tenants.names import workspace_for
from app.data_plane.proxy.application import WORKSPACE
from benchmarks.load import small_requests
from benchmarks.peers import Servers, new_run
from benchmarks.processes import cpu_seconds
from benchmarks.report import Rounds, Table, Verdict, alternate, median_ratio, values
from benchmarks.stack import TENANT

CONNECTIONS = (1, 4)
# The same MLflow, asked for the gateway's run in the workspace that it is in: what is left of a
# difference to the gateway is the gateway's.
TENANCY = "workspace"
# Basic-auth takes a quarter of a second of CPU for a request, and its requests wait for each other.
LEAST_SECONDS = 8


@dataclass(frozen=True)
class Answered:
    """One round. cpu: µs a request of all processes that it took; proxy: the part of it, in
    percent of MLflow's, that the gateway took; p50 and p99: ms."""

    requests: int
    cpu: float
    proxy: float
    rate: float
    p50: float
    p99: float


def run(servers: Servers, options: Namespace) -> Iterator[Table]:
    """`mlflow-1` and so on: how many connections."""
    paths = {
        target.name: f"/api/2.0/mlflow/runs/get?run_id={new_run(target)}" for target in servers.all
    }
    paths[TENANCY] = paths["gateway"]
    seconds = max(LEAST_SECONDS, options.seconds)
    for connections in CONNECTIONS:
        load = partial(_ask, servers, paths, connections)
        for name in paths:
            load(name, seconds)
        title = f"mlflow-{connections}"
        measures = {name: partial(load, name, seconds) for name in paths}
        rounds = alternate(title, options.rounds, measures)
        yield Table(title, rounds, "direct", ("rate", "cpu"), _verdicts(title, rounds))


def _ask(
    servers: Servers, paths: dict[str, str], connections: int, name: str, seconds: int
) -> Answered:
    target = next((one for one in servers.all if one.name == name), servers.direct)
    workspace = {WORKSPACE.decode(): workspace_for(TENANT)} if name == TENANCY else None
    upstream = servers.direct.pid if target is servers.gateway else target.pid
    before = cpu_seconds(upstream)
    small = small_requests(
        target, paths[name], connections=connections, seconds=seconds, headers=workspace
    )
    behind = (cpu_seconds(upstream) - before) / small.requests * 1e6
    through = small.cpu if target is servers.gateway else 0.0
    return Answered(
        requests=small.requests,
        cpu=behind + through,
        proxy=through / behind * 100,
        rate=small.rate,
        p50=small.p50,
        p99=small.p99,
    )


def _verdicts(title: str, rounds: Rounds) -> list[Verdict]:
    rate = partial(median_ratio, rounds, "rate", "gateway")
    share = statistics.median(values(rounds, "proxy", "gateway"))
    return [
        Verdict(f"throughput, {title}", rate("direct"), "x direct", 0.97, at_most=False),
        Verdict(f"throughput, {title}", rate(TENANCY), "x direct in one workspace", 0.97, False),
        Verdict(f"the gateway's CPU, {title}", share, "% of MLflow's", 8),
        Verdict(f"throughput, {title}", rate("basic-auth"), "x basic-auth", 25, at_most=False),
        Verdict(f"throughput, {title}", rate("oidc-auth"), "x oidc-auth", 1.4, at_most=False),
    ]
