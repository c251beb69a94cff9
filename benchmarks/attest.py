"""Claimed attestations a second, on a PostgreSQL that waits for the disk at each commit."""

import statistics
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from app.standalone.postgres import EmbeddedPostgreSQL
from benchmarks.counting import start_redis
from benchmarks.launcher import Launcher, Target
from benchmarks.load import HERE, Script, small_requests
from benchmarks.report import Rounds, Table, Verdict, alternate, values
from benchmarks.stack import UNLIMITED, start_backend, start_gateway

ATTESTATIONS = "/api/attestations"
CLAIMS = Script(HERE / "claims.lua")
CONNECTIONS = (1, 8, 32)
# Of the gateway that has one process for each of two processors.
WORKERS = 2


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `attest`: the same load on 1, 8 and 32 connections, each on the log as it grew.

    And on 32 connections to a gateway of two worker processes, which has a log of its own.
    """
    server = launcher.cleanup.enter_context(EmbeddedPostgreSQL(launcher.directory / "durable"))
    backend = start_backend(launcher)
    alone = _start(launcher, server, backend, "attest")
    workers = _start(
        launcher,
        server,
        backend,
        "workers",
        HOKUSAI_WORKERS=str(WORKERS),
        HOKUSAI_REDIS_URL=start_redis(launcher),
    )
    loads = {str(connections): (alone, connections) for connections in CONNECTIONS}
    loads[f"32, {WORKERS} workers"] = (workers, 32)
    measures = {
        name: partial(
            small_requests,
            gateway,
            ATTESTATIONS,
            connections=connections,
            seconds=options.seconds,
            script=CLAIMS,
        )
        for name, (gateway, connections) in loads.items()
    }
    for gateway in (alone, workers):
        small_requests(gateway, ATTESTATIONS, connections=8, seconds=2, script=CLAIMS)
    rounds = alternate("attest", options.rounds, measures)
    verdicts = [verdict for name in list(loads)[2:] for verdict in _verdicts(rounds, name)]
    yield Table("attest", rounds, "1", ("cpu", "rate"), verdicts)


def _verdicts(rounds: Rounds, name: str) -> list[Verdict]:
    rate, p99 = (
        statistics.median(values(rounds, "rate", name)),
        statistics.median(values(rounds, "p99", name)),
    )
    return [
        Verdict(f"claimed attestations on {name}", rate, "a second", 1000, at_most=False),
        Verdict(f"99th percentile on {name}", p99, "ms", 100),
    ]


def _start(
    launcher: Launcher, server: EmbeddedPostgreSQL, backend: Target, name: str, **more: str
) -> Target:
    server.create_database(name)
    gateway = start_gateway(
        launcher,
        backend.base,
        name,
        HOKUSAI_DATABASE_URL=server.url(name),
        HOKUSAI_ATTESTATION_QUOTA=str(UNLIMITED),
        **more,
    )
    root = gateway.base.removesuffix("/api/mlflow")
    return Target(gateway.name, root, gateway.pid, gateway.authorization)
