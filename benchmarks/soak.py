"""Memory over many small requests."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.load import POST, Script, small_requests
from benchmarks.processes import resident_bytes
from benchmarks.report import Table, Verdict, values
from benchmarks.stack import RUN, Stack

CONNECTIONS = 32
# Requests before the first measurement, in which caches fill and connections open.
WARM_UP = 10_000
MAX_PERCENT = 5


@dataclass(frozen=True)
class Slice:
    """Some seconds of requests. requests: their number so far; resident: MB after them."""

    requests: int
    resident: float


def run(stack: Stack, options: Namespace) -> Iterator[Table]:
    """Run `soak`: `options.requests` requests that read and write in turn."""
    slices: list[Slice] = []
    count = 0
    loads = ((RUN, None), ("/api/2.0/mlflow/runs/log-metric", Script(POST)))
    while count < options.requests + WARM_UP:
        for path, script in loads:
            count += small_requests(
                stack.gateway, path, connections=CONNECTIONS, seconds=options.seconds, script=script
            ).requests
        print(f"soak: {count} requests", file=sys.stderr, flush=True)
        if count >= WARM_UP:
            slices.append(Slice(count, resident_bytes(stack.gateway.pid) / 1e6))
    rounds = {"gateway": slices}
    first, *rest = values(rounds, "resident", "gateway")
    change = max((abs(later - first) for later in rest), default=0.0) / first * 100
    verdict = Verdict(f"change of memory over {count} requests", change, "%", MAX_PERCENT)
    yield Table("soak", rounds, "gateway", verdicts=[verdict])
