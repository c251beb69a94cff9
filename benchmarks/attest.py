"""Claimed attestations a second, on a PostgreSQL that waits for the disk at each commit."""

import statistics
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from app.standalone.postgres import EmbeddedPostgreSQL
from benchmarks.launcher import Launcher, Target
from benchmarks.load import HERE, Script, small_requests
from benchmarks.report import Table, Verdict, alternate, values
from benchmarks.stack import UNLIMITED, start_backend, start_gateway

ATTESTATIONS = "/api/attestations"
CLAIMS = Script(HERE / "claims.lua")
# One request at a time, and as many as one group of the log has.
CONNECTIONS = (1, 8, 32)


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `attest`: the same load on 1, 8 and 32 connections, each on the log as it grew."""
    gateway = _start(launcher)
    measures = {
        str(connections): partial(
            small_requests,
            gateway,
            ATTESTATIONS,
            connections=connections,
            seconds=options.seconds,
            script=CLAIMS,
        )
        for connections in CONNECTIONS
    }
    small_requests(gateway, ATTESTATIONS, connections=8, seconds=2, script=CLAIMS)
    rounds = alternate("attest", options.rounds, measures)
    rate, p99 = values(rounds, "rate", "32"), values(rounds, "p99", "32")
    verdicts = [
        Verdict(
            "claimed attestations on 32 connections",
            statistics.median(rate),
            "a second",
            1000,
            False,
        ),
        Verdict("99th percentile on 32 connections", statistics.median(p99), "ms", 100),
    ]
    yield Table("attest", rounds, "1", ("cpu", "rate"), verdicts)


def _start(launcher: Launcher) -> Target:
    server = launcher.cleanup.enter_context(EmbeddedPostgreSQL(launcher.directory / "durable"))
    server.create_database("attest")
    backend = start_backend(launcher)
    gateway = start_gateway(
        launcher,
        backend.base,
        "attest",
        HOKUSAI_DATABASE_URL=server.url("attest"),
        HOKUSAI_ATTESTATION_QUOTA=str(UNLIMITED),
    )
    root = gateway.base.removesuffix("/api/mlflow")
    return Target(gateway.name, root, gateway.pid, gateway.authorization)
