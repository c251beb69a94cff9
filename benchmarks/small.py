"""Small requests that read and that write, on one and on many connections."""

import statistics
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from benchmarks.load import POST, Script, small_requests
from benchmarks.report import Rounds, Table, Verdict, alternate, median_ratio, values
from benchmarks.stack import RUN, Stack

CONNECTIONS = (1, 32, 128)
LOADS = {
    "get": (RUN, None),
    "post": ("/api/2.0/mlflow/runs/log-metric", Script(POST)),
}


def run(stack: Stack, options: Namespace) -> Iterator[Table]:
    """Run `<method>-<connections>`."""
    targets = [stack.direct, stack.nginx, stack.gateway, stack.textbook]
    for name, (path, script) in LOADS.items():
        for connections in CONNECTIONS:
            load = partial(small_requests, path=path, connections=connections, script=script)
            for target in targets:
                load(target, seconds=1)  # to open connections and fill caches
            title = f"{name}-{connections}"
            measures = {t.name: partial(load, t, seconds=options.seconds) for t in targets}
            rounds = alternate(title, options.rounds, measures)
            yield Table(title, rounds, "nginx", ("cpu", "rate"), _verdicts(title, rounds))


def _verdicts(title: str, rounds: Rounds) -> list[Verdict]:
    if title.endswith("-32"):
        cpu = median_ratio(rounds, "cpu", "gateway", "nginx")
        return [Verdict(f"CPU of a request, {title}", cpu, "x nginx's", 3)]
    if title.endswith("-1"):
        added = statistics.median(_added(rounds, "gateway"))
        nginx = statistics.median(_added(rounds, "nginx"))
        return [Verdict(f"median latency added, {title}", added / nginx, "x nginx's", 1.5)]
    return []


def _added(rounds: Rounds, server: str) -> list[float]:
    """The milliseconds that a proxy adds to the median latency, for each round."""
    pairs = zip(values(rounds, "p50", server), values(rounds, "p50", "direct"), strict=True)
    return [proxied - direct for proxied, direct in pairs]
