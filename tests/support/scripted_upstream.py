"""A server that does to the gateway whatever a test writes down, and what stands in front of it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httptools
import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from app.core.errors import GatewayError
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.headers import request_headers
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.splice import Splice
from app.edge.http1.protocol import StrictProtocol
from tests.support.prompt_server import PromptServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

# Whether the gateways of a test let large bodies go past them, where they can.
_splicing: ContextVar[bool] = ContextVar("splicing", default=False)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that tells nobody when it happens; pytest's timeout is the limit."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


@dataclass
class Peer:
    """One connection as the hostile server sees it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, data: bytes = OK) -> bytes:
        """Take one request without a body, and answer it."""
        head = await self.head()
        await self.send(data)
        return head

    async def gone(self) -> None:
        """Wait until the gateway has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Hostile:
    """The server: runs the script on each connection, then closes it."""

    script: Script
    port: int = 0
    listener: asyncio.Server | None = None
    peers: list[Peer] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    serving: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        self.serving += 1
        try:
            await self.script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self.serving -= 1

    async def ended(self, seconds: float) -> None:
        """Wait until no script runs, or so long: some go on for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until(lambda: not self.serving)


@asynccontextmanager
async def hostile(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Hostile]:
    """Serve the script on a loopback port."""
    server = Hostile(script)
    listener = server.listener = await asyncio.start_server(server, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.ended(0.2)
        for peer in server.peers:
            with suppress(AttributeError):  # asyncio's, of one that has ended already
                peer.writer.transport.abort()
        # Let the handlers see it before the loop closes.
        await server.ended(0.05)
    for failure in server.failures:
        raise failure


@dataclass
class Answer:
    """What a client got. `whole`: it ended as its framing says."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


class _Client:
    def __init__(self) -> None:
        self.answer = Answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answer.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.answer.body += body

    def on_message_complete(self) -> None:
        self.answer.whole = True


@dataclass
class Gateway:
    """A minimal ASGI app that does nothing but forward, on a real uvicorn.

    A request names its caller in a header `x-caller`; without one it is the gateway's own.

    spliced: for each body that went past it, the bytes of which nothing was read; None as long as
    no body may go that way. counted: for each request, the bytes of its body and of its answer that
    are known to have gone past.
    """

    upstream: UpstreamClient
    held: bool = False
    port: int = 0
    spliced: list[int] | None = None
    counted: list[tuple[int, int]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    ended: int = 0
    sent: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Any) -> None:
            nonlocal started
            started = True
            self.sent.append(message["type"])
            await send(message)

        try:
            request = await self._request(scope, receive)
            zero_copy = None if self.spliced is None else scope["zero_copy"]
            await self.upstream.forward(request, receive, noting, zero_copy)
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
                self.counted.append((scope["zero_copy"].bytes_in, scope["zero_copy"].bytes_out))
            self.ended += 1

    async def _request(self, scope: Scope, receive: Receive) -> UpstreamRequest:
        headers = dict(scope["headers"])
        target = scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        request = UpstreamRequest(scope["method"].encode(), target, request_headers(headers))
        request.caller = headers[b"x-caller"].decode() if b"x-caller" in headers else None
        if self.held:
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

    async def ask(self, raw: bytes) -> Answer:
        """Send raw bytes, read one answer, close."""
        reader, writer = await self.connect()
        writer.write(raw)
        answer = await read_answer(reader, head_only=raw.startswith(b"HEAD"))
        writer.close()
        return answer

    async def get(self, target: bytes = b"/", *headers: bytes) -> Answer:
        lines = b"".join(line + b"\r\n" for line in headers)
        return await self.ask(b"GET %b HTTP/1.1\r\nhost: gateway\r\n%b\r\n" % (target, lines))

    async def finished(self, count: int = 1) -> None:
        """Wait until so many requests are over in the gateway."""
        await until(lambda: self.ended >= count)


async def read_answer(reader: asyncio.StreamReader, *, head_only: bool = False) -> Answer:
    """Read one answer, until it is whole or the connection ends."""
    client = _Client()
    if head_only:
        client.answer.whole = True
        data = await reader.readuntil(b"\r\n\r\n")
        status, *lines = data[:-4].split(b"\r\n")
        client.answer.status = int(status.split()[1])
        for line in lines:
            name, _, value = line.partition(b": ")
            client.answer.headers.append((name, value))
        return client.answer
    parser = httptools.HttpResponseParser(client)
    with suppress(ConnectionError):
        while not client.answer.whole:
            data = await reader.read(65536)
            if not data:
                break
            parser.feed_data(data)
    client.answer.status = parser.get_status_code()
    return client.answer


@asynccontextmanager
async def gateway(url: str, *, held: bool = False, **options: Any) -> AsyncIterator[Gateway]:
    """The upstream client in an ASGI app on uvicorn, on a loopback port."""
    settings: dict[str, Any] = {
        "max_connections": 10,
        "queue_timeout": 5,
        "connect_timeout": 5,
        "read_timeout": 5,
        "body_timeout": 5,
    }
    splicing = _splicing.get()
    async with UpstreamClient(url, **(settings | options)) as upstream:
        app = Gateway(upstream, held=held, spliced=[] if splicing else None)
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=StrictProtocol if splicing else "httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        server = PromptServer(config)
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        app.port = sock.getsockname()[1]
        task = asyncio.ensure_future(server.serve(sockets=[sock]))
        await until(lambda: server.started)
        try:
            with mock.patch.object(Splice, "run", _noting_run(app)):
                yield app
        finally:
            server.end()
            await task


def _noting_run(app: Gateway) -> Callable[[Splice], Awaitable[int]]:
    run = Splice.run

    async def noting(splice: Splice) -> int:
        try:
            return await run(splice)
        finally:
            assert app.spliced is not None
            app.spliced.append(splice.moved)

    return noting


@asynccontextmanager
async def scene(
    script: Script, *, held: bool = False, **options: Any
) -> AsyncIterator[tuple[Gateway, Hostile]]:
    """A gateway in front of a hostile server."""
    async with (
        hostile(script) as server,
        gateway(f"http://127.0.0.1:{server.port}", held=held, **options) as front,
    ):
        yield front, server


Run = Callable[[Coroutine[Any, Any, None]], None]


def _on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def splicing_on(run: Run) -> Run:
    """The same, with gateways that let large bodies go past them."""

    def main_with_splices(main: Coroutine[Any, Any, None]) -> None:
        token = _splicing.set(True)
        try:
            run(main)
        finally:
            _splicing.reset(token)

    return main_with_splices


# Production runs on uvloop; the two loops differ in what they tell a protocol, and when.
each_loop = pytest.mark.parametrize(
    "run", [pytest.param(asyncio.run, id="asyncio"), pytest.param(_on_uvloop, id="uvloop")]
)
# And large bodies are copied, or go past the process.
each_way = pytest.mark.parametrize(
    "run",
    [
        pytest.param(asyncio.run, id="asyncio"),
        pytest.param(_on_uvloop, id="uvloop"),
        pytest.param(splicing_on(asyncio.run), id="asyncio-spliced"),
        pytest.param(splicing_on(_on_uvloop), id="uvloop-spliced"),
    ],
)
