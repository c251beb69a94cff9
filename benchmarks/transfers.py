"""Memory: many large bodies at once, and a peer that stops in the middle of one."""

import contextlib
import http.client
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.launcher import Target
from benchmarks.load import BLOCK, begin, transfer
from benchmarks.processes import peak_bytes, reset_peak, resident_bytes
from benchmarks.report import Table, Verdict, alternate, values
from benchmarks.stack import Stack

AT_ONCE = 50
MAX_PEAK = 80
MAX_GROWTH = 10
# Far more than any buffer on the way holds.
STALLED_BYTES = 1_000_000_000
# A proxy that reads on would have read all of it by then.
STALLED_SECONDS = 3


@dataclass(frozen=True)
class Memory:
    """Resident memory in MB. growth: from before the load to its peak."""

    peak: float
    growth: float


def run(stack: Stack, options: Namespace) -> Iterator[Table]:
    """`50-up`, `50-down`; `stalled-client` stops reading, `stalled-upstream` does."""
    size = options.megabytes * 1_000_000 // AT_ONCE
    loads: dict[str, Callable[[Target], Memory]] = {
        f"{AT_ONCE}-up": partial(_many, method="PUT", size=size),
        f"{AT_ONCE}-down": partial(_many, method="GET", size=size),
        "stalled-client": _stalled_client,
        "stalled-upstream": _stalled_upstream,
    }
    targets = [stack.nginx, stack.gateway, stack.textbook]
    for title, load in loads.items():
        rounds = alternate(
            title, options.large_rounds, {target.name: partial(load, target) for target in targets}
        )
        if title.startswith("stalled"):
            growth = max(values(rounds, "growth", "gateway"))
            verdict = Verdict(f"growth of memory, {title}", growth, "MB", MAX_GROWTH)
        else:
            peak = max(values(rounds, "peak", "gateway"))
            verdict = Verdict(f"peak of resident memory, {title}", peak, "MB", MAX_PEAK)
        yield Table(title, rounds, "nginx", verdicts=[verdict])


def _many(target: Target, method: str, size: int) -> Memory:
    with _Watched(target) as watched, ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(transfer, target, method, size) for _ in range(AT_ONCE)]:
            done.result()
    return watched.memory


def _stalled_client(target: Target) -> Memory:
    """A client that reads the head of an answer, and then nothing for some seconds."""
    with _Watched(target) as watched:
        connection = begin(target, "GET", str(STALLED_BYTES))
        if connection.getresponse().status != http.client.OK:
            raise RuntimeError(f"{target.name} refused a download")
        time.sleep(STALLED_SECONDS)
        connection.close()
    return watched.memory


def _stalled_upstream(target: Target) -> Memory:
    """An upstream that reads the head of a request only, before a client that goes on sending."""
    with _Watched(target) as watched:
        connection = begin(target, "PUT", "stall", STALLED_BYTES)
        connection.sock.settimeout(STALLED_SECONDS)
        with contextlib.suppress(OSError):
            for _ in range(STALLED_BYTES // len(BLOCK)):
                connection.send(BLOCK)
        connection.close()
    return watched.memory


class _Watched:
    """Memory of a server from the start of the block to its end."""

    def __init__(self, target: Target) -> None:
        self._pid = target.pid

    def __enter__(self) -> "_Watched":
        reset_peak(self._pid)
        self._before = resident_bytes(self._pid)
        return self

    def __exit__(self, *_: object) -> None:
        peak = peak_bytes(self._pid)
        self.memory = Memory(peak / 1e6, (peak - self._before) / 1e6)
