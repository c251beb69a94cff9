"""Memory: with many large bodies at once, and with a client or an upstream that stops reading."""

import contextlib
import http.client
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.launcher import Target
from benchmarks.load import BLOCK, begin_request, transfer
from benchmarks.processes import peak_bytes, reset_peak, resident_bytes
from benchmarks.report import Table, Verdict, alternate, values
from benchmarks.stack import Stack

AT_ONCE = 50
MAX_PEAK = 80
MAX_GROWTH = 10
# Far more than all buffers on the path can hold.
STALLED_BYTES = 1_000_000_000
# By then, a proxy that continues to read has read everything.
STALLED_SECONDS = 3


@dataclass(frozen=True)
class Memory:
    """Resident memory in MB. growth: the peak minus the memory before the load."""

    peak: float
    growth: float


def run(stack: Stack, options: Namespace) -> Iterator[Table]:
    """Run `50-up`, `50-down`, `stalled-client` and `stalled-upstream`."""
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
    with _MemoryMeter(target) as meter, ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(transfer, target, method, size) for _ in range(AT_ONCE)]:
            done.result()
    return meter.memory


def _stalled_client(target: Target) -> Memory:
    """A client that reads only the head of a response, and then nothing for some seconds."""
    with _MemoryMeter(target) as meter:
        connection = begin_request(target, "GET", str(STALLED_BYTES))
        if connection.getresponse().status != http.client.OK:
            raise RuntimeError(f"{target.name} refused a download")
        time.sleep(STALLED_SECONDS)
        connection.close()
    return meter.memory


def _stalled_upstream(target: Target) -> Memory:
    """An upstream that reads only the head of a request, while the client continues to send."""
    with _MemoryMeter(target) as meter:
        connection = begin_request(target, "PUT", "stall", STALLED_BYTES)
        connection.sock.settimeout(STALLED_SECONDS)
        with contextlib.suppress(OSError):
            for _ in range(STALLED_BYTES // len(BLOCK)):
                connection.send(BLOCK)
        connection.close()
    return meter.memory


class _MemoryMeter:
    """Measures the memory of a server during the `with` block."""

    def __init__(self, target: Target) -> None:
        self._pid = target.pid

    def __enter__(self) -> "_MemoryMeter":
        reset_peak(self._pid)
        self._before = resident_bytes(self._pid)
        return self

    def __exit__(self, *_: object) -> None:
        peak = peak_bytes(self._pid)
        self.memory = Memory(peak / 1e6, (peak - self._before) / 1e6)
