"""`runs/get` of a real MLflow: alone, behind the gateway, and with the peers."""

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
# MLflow without the gateway, but with a request for the run in the gateway's workspace: the rest of
# the difference to the gateway is caused by the gateway itself.
TENANCY = "workspace"
# A request takes basic-auth a quarter of a second of CPU time, and requests wait for each other.
LEAST_SECONDS = 8


@dataclass(frozen=True)
class Round:
    """One round. cpu: CPU time of all servers per request, in µs; proxy: the gateway's CPU time in
    percent of MLflow's; p50 and p99: ms."""

    requests: int
    cpu: float
    proxy: float
    rate: float
    p50: float
    p99: float


def run(servers: Servers, options: Namespace) -> Iterator[Table]:
    """Run `mlflow-<connections>`."""
    paths = {
        target.name: f"/api/2.0/mlflow/runs/get?run_id={new_run(target)}" for target in servers.all
    }
    paths[TENANCY] = paths["gateway"]
    seconds = max(LEAST_SECONDS, options.seconds)
    for connections in CONNECTIONS:
        load = partial(_measure, servers, paths, connections)
        for name in paths:
            load(name, seconds)
        title = f"mlflow-{connections}"
        measures = {name: partial(load, name, seconds) for name in paths}
        rounds = alternate(title, options.rounds, measures)
        yield Table(title, rounds, "direct", ("rate", "cpu"), _verdicts(title, rounds))


def _measure(
    servers: Servers, paths: dict[str, str], connections: int, name: str, seconds: int
) -> Round:
    target = next((server for server in servers.all if server.name == name), servers.direct)
    workspace = {WORKSPACE.decode(): workspace_for(TENANT)} if name == TENANCY else None
    upstream = servers.direct.pid if target is servers.gateway else target.pid
    before = cpu_seconds(upstream)
    small = small_requests(
        target, paths[name], connections=connections, seconds=seconds, headers=workspace
    )
    mlflow = (cpu_seconds(upstream) - before) / small.requests * 1e6
    gateway = small.cpu if target is servers.gateway else 0.0
    return Round(
        requests=small.requests,
        cpu=mlflow + gateway,
        proxy=gateway / mlflow * 100,
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
