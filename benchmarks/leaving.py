"""How long the connection to MLflow stays open after the client has disconnected."""

import asyncio
import queue
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import uvloop

from benchmarks.backend import ARTIFACTS, Backend
from benchmarks.launcher import Launcher, Target, free_port
from benchmarks.load import begin_request
from benchmarks.report import Table, Verdict, alternate, values
from benchmarks.stack import start_proxies

MAX_SECONDS = 0.5
# A connection that is open after this time, in seconds, was not closed because of the client.
PATIENCE = 10.0
SIZE = 10_000_000_000


@dataclass(frozen=True)
class Left:
    """seconds: from the client's close until MLflow's connection closed; at most `PATIENCE`."""

    seconds: float


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `left-in-response`, in the middle of a download, and `left-before`, before a response."""
    upstream = _Upstream()
    targets = [
        target
        for target in start_proxies(launcher, upstream.target, "leaving")
        if target.name != "tuned"
    ]
    for title, artifact in (("left-in-response", str(SIZE)), ("left-before", "silent")):
        measures = {t.name: partial(_leave, upstream, t, artifact) for t in targets}
        rounds = alternate(title, options.rounds, measures)
        slowest = max(values(rounds, "seconds", "gateway"))
        verdict = Verdict(f"upstream closed, {title}", slowest, "s", MAX_SECONDS)
        yield Table(title, rounds, "nginx", verdicts=[verdict])


def _leave(upstream: "_Upstream", target: Target, artifact: str) -> Left:
    upstream.forget()
    connection = begin_request(target, "GET", artifact)
    upstream.requested.get(timeout=PATIENCE)
    if artifact != "silent":
        # The response object keeps the socket open as well.
        with connection.getresponse() as response:
            response.read(1_000_000)
    connection.close()
    left_at = time.monotonic()
    try:
        return Left(max(0.0, upstream.closed.get(timeout=PATIENCE) - left_at))
    except queue.Empty:
        return Left(PATIENCE)


class _Upstream:
    """The stub of MLflow in a thread of this process.

    requested, closed: the times of requests for artifacts, and of the ends of their connections.
    """

    def __init__(self) -> None:
        self.requested: queue.Queue[float] = queue.Queue()
        self.closed: queue.Queue[float] = queue.Queue()
        port = free_port()
        started = threading.Event()
        threading.Thread(target=self._run, args=(port, started), daemon=True).start()
        started.wait(PATIENCE)
        self.target = Target("direct", f"http://127.0.0.1:{port}", 0, "")

    def forget(self) -> None:
        """Discard the times of earlier requests."""
        self.requested = queue.Queue()
        self.closed = queue.Queue()

    def _run(self, port: int, started: threading.Event) -> None:
        async def serve() -> None:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
            started.set()
            await server.serve_forever()

        uvloop.run(serve())


class _Connection(Backend):
    def __init__(self, upstream: _Upstream) -> None:
        super().__init__()
        self._upstream = upstream
        self._artifact = False

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET " + ARTIFACTS):
            self._artifact = True
            self._upstream.requested.put(time.monotonic())
            if b"/silent " in data.partition(b"\r\n")[0]:
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._artifact:
            self._upstream.closed.put(time.monotonic())
