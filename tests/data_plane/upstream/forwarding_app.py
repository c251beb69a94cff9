"""The upstream client in a minimal ASGI app, and a client that reads its responses byte by byte."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httptools
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.core.errors import GatewayError
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.headers import request_headers
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.splice import Splice
from app.edge.http1.protocol import StrictProtocol
from tests.support.quick_shutdown_server import QuickShutdownServer
from tests.support.scripted_upstream import Script, ScriptedUpstream, scripted_upstream
from tests.support.waiting import until

# Runs a test both with large bodies copied and with large bodies spliced, on each event loop.
all_event_loops_and_copy_modes = pytest.mark.parametrize(
    "splicing", [False, True], ids=["copied", "spliced"]
)


@dataclass
class Response:
    """What a client received. `complete`: it ended as its framing says."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


class _ResponseCallbacks:
    """What httptools calls while it parses a response."""

    def __init__(self) -> None:
        self.response = Response()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.response.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.response.body += body

    def on_message_complete(self) -> None:
        self.response.complete = True


async def read_response(reader: asyncio.StreamReader, *, head_only: bool = False) -> Response:
    """Read one response, until it is complete or the connection ends.

    head_only: for a response to HEAD, whose Content-Length is not that of a body.
    """
    callbacks = _ResponseCallbacks()
    response = callbacks.response
    if head_only:
        response.complete = True
        data = await reader.readuntil(b"\r\n\r\n")
        status, *lines = data[:-4].split(b"\r\n")
        response.status = int(status.split()[1])
        for line in lines:
            name, _, value = line.partition(b": ")
            response.headers.append((name, value))
        return response
    parser = httptools.HttpResponseParser(callbacks)
    with suppress(ConnectionError):
        while not response.complete:
            data = await reader.read(65536)
            if not data:
                break
            parser.feed_data(data)
    response.status = parser.get_status_code()
    return response


@dataclass
class ForwardingApp:
    """An ASGI app that only forwards, and renders errors; it runs on a real uvicorn.

    A header `x-caller` names the caller whose share of the connections a request counts against;
    without it the request counts as the gateway's own.

    buffered: read each body completely before it is forwarded.
    spliced: for each spliced body, the number of bytes that were spliced; None if splicing is off.
    byte_counts: for each request, the spliced bytes of its body and of its response.
    errors: what forwarding raised. finished: how many requests are over. sent: the types of the
    ASGI messages.
    """

    upstream: UpstreamClient
    buffered: bool = False
    port: int = 0
    spliced: list[int] | None = None
    byte_counts: list[tuple[int, int]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    finished: int = 0
    sent: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def recording_send(message: Any) -> None:
            nonlocal started
            started = True
            self.sent.append(message["type"])
            await send(message)

        try:
            request = await self._request(scope, receive)
            zero_copy = None if self.spliced is None else scope["zero_copy"]
            await self.upstream.forward(request, receive, recording_send, zero_copy)
        except Exception as error:
            self.errors.append(error)
            if started or not isinstance(error, GatewayError):
                raise
            body = error.body("id")
            headers = [(b"content-length", b"%d" % len(body)), *error.headers]
            if error.closes_connection:
                headers.append((b"connection", b"close"))
            await send({"type": "http.response.start", "status": error.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        finally:
            if self.spliced is not None:
                self.byte_counts.append((scope["zero_copy"].bytes_in, scope["zero_copy"].bytes_out))
            self.finished += 1

    async def _request(self, scope: Scope, receive: Receive) -> UpstreamRequest:
        headers = dict(scope["headers"])
        target = scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        request = UpstreamRequest(scope["method"].encode(), target, request_headers(headers))
        request.caller = headers[b"x-caller"].decode() if b"x-caller" in headers else None
        if self.buffered:
            request.body, more = b"", True
            while more:
                message = await receive()
                request.body += message["body"]
                more = message["more_body"]
        elif b"transfer-encoding" in headers:
            request.chunked = True
        elif b"content-length" in headers:
            request.content_length = int(headers[b"content-length"])
        return request

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, request: bytes) -> Response:
        """Send these bytes on a new connection, read one response, close."""
        reader, writer = await self.connect()
        writer.write(request)
        response = await read_response(reader, head_only=request.startswith(b"HEAD"))
        writer.close()
        return response

    async def get(self, target: bytes = b"/", *headers: bytes) -> Response:
        lines = b"".join(line + b"\r\n" for line in headers)
        return await self.send(b"GET %b HTTP/1.1\r\nhost: gateway\r\n%b\r\n" % (target, lines))

    async def wait_queued(self, number: int) -> None:
        """Wait until this number of requests waits for a connection."""
        await until(lambda: self.upstream._pool.usage().waiting == number)

    async def wait_finished(self, count: int = 1) -> None:
        """Wait until the app has finished this number of requests."""
        await until(lambda: self.finished >= count)


@dataclass(frozen=True)
class Forwarding:
    """Starts forwarding apps, either with large bodies copied or with large bodies spliced."""

    splicing: bool

    @asynccontextmanager
    async def app(
        self, url: str, *, buffered: bool = False, **options: Any
    ) -> AsyncIterator[ForwardingApp]:
        """The app in front of the upstream at a URL; `options` are the upstream client's."""
        # No test that does not set a timeout reaches it.
        names = ("queue_timeout", "connect_timeout", "read_timeout", "body_timeout")
        settings: dict[str, Any] = {"max_connections": 10, **dict.fromkeys(names, 30)}
        async with UpstreamClient(url, **(settings | options)) as upstream:
            app = ForwardingApp(upstream, buffered, spliced=[] if self.splicing else None)
            config = uvicorn.Config(
                app,
                interface="asgi3",
                http=StrictProtocol if self.splicing else "httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
            )
            server = QuickShutdownServer(config)
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            app.port = sock.getsockname()[1]
            task = asyncio.ensure_future(server.serve(sockets=[sock]))
            await until(lambda: server.started)
            try:
                with mock.patch.object(Splice, "run", _recording_run(app)):
                    yield app
            finally:
                server.stop()
                await task

    @asynccontextmanager
    async def __call__(
        self, script: Script, *, buffered: bool = False, **options: Any
    ) -> AsyncIterator[tuple[ForwardingApp, ScriptedUpstream]]:
        """The app in front of an upstream that runs the script on each connection."""
        async with (
            scripted_upstream(script) as upstream,
            self.app(f"http://127.0.0.1:{upstream.port}", buffered=buffered, **options) as app,
        ):
            yield app, upstream


def _recording_run(app: ForwardingApp) -> Callable[[Splice], Awaitable[int]]:
    run = Splice.run

    async def recording_run(splice: Splice) -> int:
        try:
            return await run(splice)
        finally:
            assert app.spliced is not None
            app.spliced.append(splice.moved)

    return recording_run
