"""Responses of the upstream: what reaches the client, and what must not.

Longer than most files here: the scripts of the upstream stand beside the tests that use them.
"""

import asyncio
import gzip
import socket

import pytest

from app.core.errors import (
    SlowRequestError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from tests.data_plane.upstream.forwarding_app import (
    Forwarding,
    ForwardingApp,
    all_event_loops_and_copy_modes,
    read_response,
)
from tests.support.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
)
from tests.support.waiting import until

# More than any buffer between the two ends.
LARGE = bytes(range(256)) * 4 * 4096 * 4


def chunks(*pieces: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\n" + trailers + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def length(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size


async def test_a_request_is_forwarded_with_allowed_headers_and_the_upstreams_host(
    forwarding: Forwarding,
) -> None:
    heads: list[bytes] = []

    async def script(connection: UpstreamConnection) -> None:
        heads.append(await connection.respond())

    async with forwarding(script) as (app, upstream):
        response = await app.get(
            b"/api/2.0/mlflow/runs/get?run_id=1%20",
            b"accept: application/json",
            b"authorization: Bearer secret",
            b"cookie: a=b",
            b"connection: keep-alive",
        )
        assert (response.status, response.body) == (200, b"ok")
        assert heads == [
            b"GET /api/2.0/mlflow/runs/get?run_id=1%%20 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
            b"accept: application/json\r\n\r\n" % upstream.port
        ]


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (length(5) + b"hello", b"hello"),
        (length(0), b""),
        (CHUNKED + chunks(b"hel", b"lo"), b"hello"),
        (CHUNKED + chunks(), b""),
        (CHUNKED + chunks(b"hello", trailers=b"set-cookie: a=b\r\nx: y\r\n"), b"hello"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", b"until it closes"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, b"ok"),
    ],
    ids=[
        "length",
        "nothing",
        "chunked",
        "chunked-nothing",
        "trailers",
        "close",
        "early-hints",
        "interim",
    ],
)
async def test_every_framing_arrives_complete(
    forwarding: Forwarding, wire: bytes, body: bytes
) -> None:
    await arrives_complete(forwarding, wire, body)


@all_event_loops_and_copy_modes
@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (length(len(LARGE)) + LARGE, LARGE),
        (CHUNKED + chunks(*[LARGE[:100_000]] * 20), LARGE[:100_000] * 20),
        (b"HTTP/1.0 200 OK\r\n\r\n" + LARGE, LARGE),
    ],
    ids=["length", "chunked", "close"],
)
async def test_every_framing_of_a_large_body_arrives_complete(
    forwarding: Forwarding, wire: bytes, body: bytes
) -> None:
    await arrives_complete(forwarding, wire, body)


async def arrives_complete(forwarding: Forwarding, wire: bytes, body: bytes) -> None:
    """Fails unless the client gets exactly this body, and no header of interim responses or of
    trailers.
    """

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(wire)

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert response.status == 200
        assert response.complete
        assert response.body == body
        names = [name for name, _ in response.headers]
        assert not {b"link", b"set-cookie", b"x", b"trailer"} & set(names)
        assert app.errors == []


async def test_a_response_may_arrive_byte_by_byte(forwarding: Forwarding) -> None:
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + chunks(b"hello", b"!", trailers=b"a: b\r\n")

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        for i in range(len(wire)):
            await connection.send(wire[i : i + 1])
            await asyncio.sleep(0.001)

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert (response.status, response.body, response.complete) == (200, b"hello!", True)


@pytest.mark.parametrize(
    ("request_", "wire"),
    [
        (b"HEAD / HTTP/1.1\r\nhost: g\r\n\r\n", length(1000)),
        (b"HEAD / HTTP/1.1\r\nhost: g\r\n\r\n", CHUNKED),
        (b"GET / HTTP/1.1\r\nhost: g\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (
            b"GET / HTTP/1.1\r\nhost: g\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: x\r\n\r\n",
        ),
    ],
)
async def test_responses_without_a_body_end_with_their_head(
    forwarding: Forwarding, request_: bytes, wire: bytes
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.respond(wire)

    async with forwarding(script) as (app, upstream):
        for _ in range(2):
            response = await app.send(request_)
            assert response.complete
            assert response.body == b""
            if request_.startswith(b"HEAD") and wire == length(1000):
                assert response.header(b"content-length") == b"1000"
        assert app.errors == []
        assert len(upstream.connections) == 1


async def test_a_small_response_is_two_asgi_messages(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond()

    async with forwarding(script) as (app, _):
        await app.get()
        assert app.sent == ["http.response.start", "http.response.body"]


async def test_compressed_bodies_are_forwarded_unchanged(forwarding: Forwarding) -> None:
    packed = gzip.compress(b"x" * 10_000)
    wire = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    ) + packed

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(wire)

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert response.body == packed
        assert response.header(b"content-encoding") == b"gzip"


async def test_hop_by_hop_headers_cookies_and_the_server_header_are_removed(
    forwarding: Forwarding,
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(
            b"HTTP/1.1 200 OK\r\nServer: mlflow\r\nSet-Cookie: session=alice\r\nETag: x\r\n"
            b"Connection: X-Private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Link: 1\r\nLink: 2\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert response.headers == [
            (b"etag", b"x"),
            (b"link", b"1"),
            (b"link", b"2"),
            (b"content-type", b"application/json"),
            (b"content-length", b"2"),
            (b"cache-control", b"no-store"),
        ]


NOT_HTTP = {
    "junk": b"SSH-2.0-OpenSSH\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
    "negative": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "both-framings": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "unknown-coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad-chunk": CHUNKED + b"zz\r\nhello\r\n",
    "folded": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n",
    "no-such-status": b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "http2": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "too-large-head": b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
    "endless-head": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    "endless-interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
    "closed-at-once": b"",
    "closed-in-head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "short": length(10) + b"hello",
    "long": length(2) + b"hello",
    "two-responses": OK + OK,
    "body-of-204": b"HTTP/1.1 204 No Content\r\n\r\nhello",
}


@pytest.mark.parametrize("wire", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_an_invalid_response_becomes_a_502(forwarding: Forwarding, wire: bytes) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(wire)
        # The server does not close where the gateway can recognize the error without that.
        if wire and not wire.endswith((b"content-le", b"hello")):
            await connection.wait_closed()

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert (response.status, response.complete) == (502, True)
        assert b"upstream_protocol" in response.body


@pytest.mark.parametrize(
    "wire",
    [
        length(1_000_000) + b"x" * 500_000,
        CHUNKED + b"186a0\r\n" + b"x" * 100_000,
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
        CHUNKED + b"5\r\nhello\r\nzz\r\n",
        length(100_000) + b"x" * 100_001,
    ],
    ids=["length", "in-chunk", "no-last-chunk", "no-trailers", "bad-chunk", "too-long"],
)
@pytest.mark.parametrize("reset", [False, True])
async def test_a_truncated_body_never_looks_complete(
    forwarding: Forwarding, wire: bytes, reset: bool
) -> None:
    head, _, body = wire.partition(b"\r\n\r\n")

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        # The head and a few bytes first, so that the response has begun before it is truncated.
        await connection.send(head + b"\r\n\r\n" + body[:2])
        await until(lambda: app.sent)
        await connection.send(body[2:])
        await connection.delivered()
        if reset:
            connection.reset()

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert response.status == 200
        assert not response.complete
        await app.wait_finished()
        assert isinstance(app.errors[0], UpstreamProtocolError)


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 200 OK\r\n", length(5) + b"he"])
async def test_a_stall_before_the_response_is_a_504(forwarding: Forwarding, wire: bytes) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(wire)
        await connection.wait_closed()

    async with forwarding(script, read_timeout=0.3) as (app, _):
        response = await app.get()
        assert (response.status, response.complete) == (504, True)
        assert isinstance(app.errors[0], UpstreamTimeoutError)


async def test_a_stall_within_the_response_aborts_it(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(CHUNKED + b"5\r\nhello\r\n")
        await connection.wait_closed()

    async with forwarding(script, read_timeout=0.3) as (app, _):
        response = await app.get()
        assert (response.status, response.body, response.complete) == (200, b"hello", False)
        await app.wait_finished()
        assert isinstance(app.errors[0], UpstreamTimeoutError)


async def test_the_read_timeout_is_between_bytes_and_not_in_total(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(CHUNKED)
        for _ in range(8):
            await connection.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.2)
        await connection.send(b"0\r\n\r\n")

    async with forwarding(script, read_timeout=1) as (app, _):
        response = await app.get()
        assert (response.body, response.complete) == (b"x" * 8, True)


async def test_overhead_between_chunks_is_bounded(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(CHUNKED + b"5\r\nhello\r\n0\r\n")
        while True:
            await connection.send(b"trailer: %b\r\n" % (b"x" * 60_000))

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert not response.complete
        await app.wait_finished()
        assert isinstance(app.errors[0], UpstreamProtocolError)


async def disconnect(
    app: ForwardingApp, upstream: ScriptedUpstream, request: bytes, *, after: bytes
) -> None:
    """Send a request, read until `after`, disconnect, and wait until the gateway has ended it."""
    reader, writer = await app.connect()
    writer.write(request)
    if after:
        await reader.readuntil(after)
    await until(lambda: upstream.connections and upstream.connections[0].heads)
    writer.transport.abort()
    await app.wait_finished()


GET = b"GET / HTTP/1.1\r\nhost: g\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "after"),
    [(b"", b""), (CHUNKED + b"5\r\nhello\r\n", b"hello")],
    ids=["before-the-head", "in-the-body"],
)
async def test_a_client_that_disconnects_ends_the_upstream_request(
    forwarding: Forwarding, wire: bytes, after: bytes
) -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(wire)
        await connection.wait_closed()
        closed.set()

    async with forwarding(script, read_timeout=60) as (app, upstream):
        await disconnect(app, upstream, GET, after=after)
        await closed.wait()
        assert app.errors == []
        # If it were taken for a stale connection, the request would have been sent again.
        assert len(upstream.connections) == 1


async def test_an_endless_download_ends_when_the_client_disconnects(forwarding: Forwarding) -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await connection.send(b"x" * 100_000)
        finally:
            closed.set()

    async with forwarding(script) as (app, upstream):
        await disconnect(app, upstream, GET, after=b"xxxx")
        await closed.wait()
        assert app.errors == []


@all_event_loops_and_copy_modes
async def test_a_client_that_does_not_read_slows_the_upstream_down(forwarding: Forwarding) -> None:
    sent = 0

    async def script(connection: UpstreamConnection) -> None:
        nonlocal sent
        await connection.respond(b"HTTP/1.1 200 OK\r\ncontent-length: 200000000\r\n\r\n")
        while sent < 200_000_000:
            await connection.send(b"x" * 100_000)
            sent += 100_000

    async with forwarding(script) as (app, _):
        reader, writer = await app.connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        # What fits into the buffers of the sockets and of the gateway.
        assert sent < 50_000_000
        while len(await reader.read(1_000_000)) and sent < 200_000_000:
            pass
        assert sent == 200_000_000
        writer.close()


async def test_a_client_that_stops_reading_is_disconnected(
    forwarding: Forwarding,
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await connection.send(b"x" * 100_000)

    async with forwarding(script, read_timeout=0.3) as (app, _):
        reader, writer = await app.connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await app.wait_finished()
        assert isinstance(app.errors[0], SlowRequestError)
        writer.close()


async def test_a_port_on_which_nothing_listens_is_unreachable(forwarding: Forwarding) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but does not listen
        async with forwarding.app(f"http://127.0.0.1:{taken.getsockname()[1]}") as app:
            response = await app.get()
            assert response.status == 502
            assert isinstance(app.errors[0], UpstreamUnreachableError)


async def test_keep_alive_serves_several_requests_of_one_client(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.respond()

    async with forwarding(script) as (app, upstream):
        reader, writer = await app.connect()
        for _ in range(5):
            writer.write(GET)
            assert (await read_response(reader)).body == b"ok"
        writer.close()
        assert len(upstream.connections) == 1
