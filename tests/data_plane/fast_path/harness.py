"""A gateway in front of an MLflow that does what a test says; it records which path requests take.

The first request with a key takes the ASGI path: it opens a connection to MLflow, and puts the key
into the cache. From then on requests take the fast path, where it can handle them.
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
from tests.support.raw_http import RawConnection, RawResponse
from tests.support.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    scripted_upstream,
)
from tests.support.waiting import wait_until

GET = "/api/mlflow/api/2.0/mlflow/runs/get?run_id="
POST = "/api/mlflow/api/2.0/mlflow/experiments/create"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Behaviour = Callable[["MLflowRequest"], Awaitable[None]]


def ok(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """The bytes of a response from MLflow, with a Content-Length."""
    head = b"".join(b"%b\r\n" % line for line in lines)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, head, len(body), body)


@dataclass
class MLflowRequest:
    """One request as MLflow receives it."""

    connection: UpstreamConnection
    head: bytes
    body: bytes

    @property
    def name(self) -> bytes:
        """What tells requests apart: the value of the query of a GET, or the body."""
        return self.head.split(b" ")[1].rpartition(b"=")[2] if b"=" in self.head else self.body


@dataclass
class ScriptedMLflow:
    """The server behind the gateway; it responds to `warm` by itself, the test to all others.

    requests: all but those for `warm`. closed_connections: the numbers of connections that ended.
    """

    behaviour: Behaviour
    requests: list[MLflowRequest] = field(default_factory=list)
    closed_connections: list[int] = field(default_factory=list)
    server: ScriptedUpstream | None = None

    async def script(self, connection: UpstreamConnection) -> None:
        try:
            while True:
                head = await connection.read_head()
                found = re.search(rb"content-length: (\d+)", head)
                length = int(found[1]) if found else 0
                request = MLflowRequest(
                    connection, head, await connection.reader.readexactly(length)
                )
                if request.name == b"warm":
                    await connection.send(OK)
                else:
                    self.requests.append(request)
                    await self.behaviour(request)
        finally:
            self.closed_connections.append(connection.number)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve in a thread; yields the URL."""
        ready = threading.Event()
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()

        async def serve() -> None:
            async with scripted_upstream(self.script) as self.server:
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        assert ready.wait(30)
        assert self.server is not None
        try:
            yield f"http://127.0.0.1:{self.server.port}"
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            loop.close()
            assert self.server.errors == []


@dataclass
class FastPathHarness:
    """The gateway, with a key that is in its cache.

    handled: for each request that the fast path was offered, whether it handled it.
    """

    gateway: RunningGateway
    mlflow: ScriptedMLflow
    key: str
    handled: list[bool]

    def connect(self) -> RawConnection:
        return RawConnection(self.gateway)

    def raw(self, method: str, path: str, *lines: str, body: bytes = b"", key: str = "") -> bytes:
        """The bytes of a request, with the key unless a wallet's headers are among the lines."""
        head = [f"{method} {path} HTTP/1.1", "Host: gateway"]
        if not any(line.startswith("X-ETH") for line in lines):
            head.append(f"Authorization: Bearer {key or self.key}")
        if body and not any(line.lower().startswith("transfer-encoding") for line in lines):
            head.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*head, *lines, "", ""]).encode() + body

    def get(self, name: str, *lines: str, **options: Any) -> bytes:
        """The bytes of a GET that MLflow sees under this name."""
        return self.raw("GET", GET + name, *lines, **options)

    def post(self, name: str, *lines: str) -> bytes:
        """The bytes of a POST with the name in its JSON body."""
        body = json.dumps({"name": name}).encode()
        return self.raw("POST", POST, "Content-Type: application/json", *lines, body=body)

    def send(self, raw: bytes, *, fast: bool = True) -> RawResponse:
        """The response on a new connection; fails if it took the other path."""
        before = len(self.handled)
        with self.connect() as connection:
            connection.send(raw)
            response = connection.read_response(head_only=raw.startswith(b"HEAD"))
        assert self.handled[before:] == ([True] if fast else self.handled[before:])
        assert fast or True not in self.handled[before:]
        return response

    def send_on_either_path(self, raw: bytes) -> RawResponse:
        """The response on a new connection."""
        with self.connect() as connection:
            connection.send(raw)
            return connection.read_response()

    def warm_up(self, key: str = "") -> None:
        """Send requests until the fast path handles them: the key is cached, a connection open."""

        def is_fast() -> bool:
            with self.connect() as connection:
                connection.send(self.get("warm", key=key))
                assert connection.read_response().status == 200
            return self.handled[-1:] == [True]

        wait_until(is_fast)

    def count(self, method: str = "GET", status: int = 200) -> int:
        """How many requests for runs/get or experiments/create the metrics have with a status."""
        registry = self.gateway.app.fast_path.lifecycle.metrics.registry
        return sum(
            int(sample.value)
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name.endswith("_count")
            and sample.labels["method"] == method
            and sample.labels["status"] == str(status)
        )

    def wait_for_count(self, number: int, method: str = "GET", status: int = 200) -> None:
        """Wait until `count` is this number; requests are counted after the response."""
        wait_until(lambda: self.count(method, status) == number)

    @property
    def pool(self) -> Any:
        return self.gateway.app.fast_path.upstream._pool

    @property
    def cycles(self) -> list[Any]:
        """The cycle of the last request of each connection to the gateway."""
        protocols: set[Any] = set(self.gateway._server.server_state.connections)
        return [protocol.cycle for protocol in protocols]

    def wait_for_asgi_path(self) -> None:
        """Wait until a request is on the ASGI path."""
        wait_until(lambda: any(isinstance(one, RequestResponseCycle) for one in self.cycles))

    def is_idle(self) -> bool:
        """Whether every connection of the pool is idle, and no request in progress."""
        pool, upstream = self.pool, self.gateway.app.fast_path.upstream
        free = len(pool._members) == len(pool._idle) and not pool._opening and not pool._held
        return free and not upstream._active


StartHarness = Callable[..., FastPathHarness]


async def echo(request: MLflowRequest) -> None:
    """Respond with the request's name."""
    await request.connection.send(ok(request.name))


def remaining(response: RawResponse) -> int:
    """What is left of the rate limit, as the response says."""
    return int(response.headers["ratelimit-remaining"])
