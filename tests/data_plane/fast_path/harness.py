"""A gateway before an MLflow that does what a test says, and a look at which way requests take.

The first request with a key takes the ordinary way, opens a connection, and makes the key known.
"""

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.gateway import RunningGateway
from tests.support.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    scripted_upstream,
)
from tests.support.waiting import wait_until
from tests.support.wire import Wire, WireAnswer

GET = "/api/mlflow/api/2.0/mlflow/runs/get?run_id="
POST = "/api/mlflow/api/2.0/mlflow/experiments/create"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Act = Callable[["Asked"], Awaitable[None]]


def ok(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer of MLflow's with a Content-Length."""
    head = b"".join(b"%b\r\n" % line for line in lines)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, head, len(body), body)


@dataclass
class Asked:
    """One request as MLflow sees it."""

    connection: UpstreamConnection
    head: bytes
    body: bytes

    @property
    def name(self) -> bytes:
        """What the request asked for: the value of its query, or its body."""
        return self.head.split(b" ")[1].rpartition(b"=")[2] if b"=" in self.head else self.body


@dataclass
class MLflow:
    """The server behind the gateway; answers `warm` by itself and leaves the rest to the test.

    asked: all requests but those. gone: connections that have ended.
    """

    act: Act
    asked: list[Asked] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    server: ScriptedUpstream | None = None

    async def script(self, connection: UpstreamConnection) -> None:
        try:
            while True:
                head = await connection.read_head()
                found = re.search(rb"content-length: (\d+)", head)
                length = int(found[1]) if found else 0
                asked = Asked(connection, head, await connection.reader.readexactly(length))
                if asked.name == b"warm":
                    await connection.send(OK)
                else:
                    self.asked.append(asked)
                    await self.act(asked)
        finally:
            self.gone.append(connection.number)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve in a thread: the URL."""
        ready = threading.Event()
        loop = asyncio.new_event_loop()
        over = asyncio.Event()

        async def serve() -> None:
            async with scripted_upstream(self.script) as self.server:
                ready.set()
                await over.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        assert ready.wait(30)
        assert self.server is not None
        try:
            yield f"http://127.0.0.1:{self.server.port}"
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(30)
            loop.close()
            assert self.server.errors == []


@dataclass
class Front:
    """The gateway in front of it, with a key that it knows.

    taken: for each request that the short way was offered, whether it took it.
    """

    gateway: RunningGateway
    mlflow: MLflow
    key: str
    taken: list[bool]

    def wire(self) -> Wire:
        return Wire(self.gateway)

    def raw(self, method: str, path: str, *lines: str, body: bytes = b"", key: str = "") -> bytes:
        head = [f"{method} {path} HTTP/1.1", "Host: gateway"]
        if not any(line.startswith("X-ETH") for line in lines):
            head.append(f"Authorization: Bearer {key or self.key}")
        if body and not any(line.lower().startswith("transfer-encoding") for line in lines):
            head.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*head, *lines, "", ""]).encode() + body

    def get(self, name: str, *lines: str, **options: Any) -> bytes:
        return self.raw("GET", GET + name, *lines, **options)

    def post(self, name: str, *lines: str) -> bytes:
        body = json.dumps({"name": name}).encode()
        return self.raw("POST", POST, "Content-Type: application/json", *lines, body=body)

    def ask(self, raw: bytes, *, short: bool = True) -> WireAnswer:
        """One answer on a connection of its own, and whether it came on the short way."""
        before = len(self.taken)
        with self.wire() as wire:
            wire.send(raw)
            answer = wire.answer(bodiless=raw.startswith(b"HEAD"))
        assert self.taken[before:] == ([True] if short else self.taken[before:])
        assert short or True not in self.taken[before:]
        return answer

    def ask_somehow(self, raw: bytes) -> WireAnswer:
        """One answer on a connection of its own."""
        with self.wire() as wire:
            wire.send(raw)
            return wire.answer()

    def warm(self, key: str = "") -> None:
        """Ask until the short way is taken: the key is known then, and a connection free."""

        def short() -> bool:
            with self.wire() as wire:
                wire.send(self.get("warm", key=key))
                assert wire.answer().status == 200
            return self.taken[-1:] == [True]

        wait_until(short)

    def metrics(self, method: str = "GET", status: int = 200) -> int:
        """How many requests of runs/get or experiments/create were counted with a status."""
        registry = self.gateway.app.fast_path.lifecycle.metrics.registry
        return sum(
            int(sample.value)
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name.endswith("_count")
            and sample.labels["method"] == method
            and sample.labels["status"] == str(status)
        )

    def counted(self, number: int, method: str = "GET", status: int = 200) -> None:
        """Wait until so many were counted: that comes after the answer."""
        wait_until(lambda: self.metrics(method, status) == number)

    @property
    def pool(self) -> Any:
        return self.gateway.app.fast_path.upstream._pool

    @property
    def cycles(self) -> list[Any]:
        """The last request of each connection to the gateway."""
        protocols: set[Any] = set(self.gateway._server.server_state.connections)
        return [protocol.cycle for protocol in protocols]

    def handed_over(self) -> None:
        """Wait until a request is on the ordinary way."""
        wait_until(lambda: any(isinstance(one, RequestResponseCycle) for one in self.cycles))

    def whole(self) -> bool:
        """Whether every connection of the pool is free, and nothing under way."""
        pool, upstream = self.pool, self.gateway.app.fast_path.upstream
        free = len(pool._members) == len(pool._idle) and not pool._opening and not pool._held
        return free and not upstream._active


Open = Callable[..., Front]


async def echo(asked: Asked) -> None:
    """Answer with what was asked for."""
    await asked.connection.send(ok(asked.name))


def remaining(answer: WireAnswer) -> int:
    return int(answer.headers["ratelimit-remaining"])
