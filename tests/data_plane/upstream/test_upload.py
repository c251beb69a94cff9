"""Request bodies: how they are forwarded, when that stops, and what is never sent completely."""

import asyncio

import pytest

from app.core.errors import BodyTooLargeError, SlowRequestError, UpstreamTimeoutError
from app.data_plane.upstream.request import UpstreamRequest
from tests.data_plane.upstream.forwarding_app import (
    Forwarding,
    ForwardingApp,
    all_event_loops_and_copy_modes,
    read_response,
)
from tests.data_plane.upstream.received_request import ReceivedRequest
from tests.support.scripted_upstream import (
    OK,
    UpstreamConnection,
)
from tests.support.waiting import until

LARGE = bytes(range(256)) * 40_000


def put(body: bytes, *headers: bytes, size: int | None = None) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    length = len(body) if size is None else size
    head = b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n%b\r\n" % (length, lines)
    return head + body


def put_chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"PUT /a HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


@pytest.mark.parametrize("buffered", [False, True], ids=["streamed", "buffered"])
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (put(b""), b""),
        (put(b"hello"), b"hello"),
        (put_chunked(), b""),
        (put_chunked(b"hel", b"lo"), b"hello"),
    ],
    ids=["empty", "small", "chunked-empty", "chunked"],
)
async def test_a_body_arrives_as_it_was_sent(
    forwarding: Forwarding, buffered: bool, raw: bytes, body: bytes
) -> None:
    await upload_twice(forwarding, buffered, raw, body)


@all_event_loops_and_copy_modes
@pytest.mark.parametrize("buffered", [False, True], ids=["streamed", "buffered"])
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (put(LARGE), LARGE),
        (put_chunked(*[LARGE[:100_000]] * 30), LARGE[:100_000] * 30),
    ],
    ids=["length", "chunked"],
)
async def test_a_large_body_arrives_as_it_was_sent(
    forwarding: Forwarding, buffered: bool, raw: bytes, body: bytes
) -> None:
    await upload_twice(forwarding, buffered, raw, body)


async def upload_twice(forwarding: Forwarding, buffered: bool, raw: bytes, body: bytes) -> None:
    """Send the same upload twice; fails unless both arrive unchanged, on one connection."""
    uploads: list[ReceivedRequest] = []

    async def script(connection: UpstreamConnection) -> None:
        while True:
            uploads.append(ReceivedRequest())
            await uploads[-1].read(connection)
            if not uploads[-1].complete:
                return
            await connection.send(OK)

    async with forwarding(script, buffered=buffered) as (app, upstream):
        for i in range(2):
            response = await app.send(raw)
            assert (response.status, response.body, response.complete) == (200, b"ok", True)
            assert uploads[i].complete
            assert uploads[i].body == body
            if buffered or raw.startswith(b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length"):
                assert uploads[i].headers[b"content-length"] == b"%d" % len(body)
            else:
                assert uploads[i].headers[b"transfer-encoding"] == b"chunked"
        assert app.errors == []
        assert len(upstream.connections) == 1


async def test_expect_continue_is_handled_by_the_gateway_and_not_forwarded(
    forwarding: Forwarding,
) -> None:
    upload = ReceivedRequest()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)
        await connection.send(OK)

    async with forwarding(script) as (app, _):
        reader, writer = await app.connect()
        writer.write(put(b"", b"expect: 100-continue", size=5))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await read_response(reader)).status == 200
        assert upload.body == b"hello"
        assert b"expect" not in upload.headers
        writer.close()


TOO_LARGE = b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge"


@all_event_loops_and_copy_modes
@pytest.mark.parametrize(
    "early",
    [
        TOO_LARGE,
        b"HTTP/1.1 413 Too Large\r\ntransfer-encoding: chunked\r\n\r\n5\r\nlarge\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_response_may_arrive_before_the_body_is_sent(
    forwarding: Forwarding, early: bytes, chunked: bool
) -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.send(early)
        # The server reads no more, so that the rest of the body cannot be sent.
        await asyncio.sleep(0.2)
        await connection.wait_closed()
        closed.set()

    async with forwarding(script) as (app, _):
        raw = put_chunked(*[LARGE] * 4) if chunked else put(LARGE * 4)
        response = await app.send(raw)
        assert (response.status, response.body, response.complete) == (413, b"large", True)
        assert response.header(b"connection") == b"close"
        await closed.wait()
        await app.wait_finished()
        assert app.errors == []


async def test_an_early_response_reaches_a_client_that_has_stopped_sending(
    forwarding: Forwarding,
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\nwho?")

    async with forwarding(script) as (app, _):
        response = await app.send(put(b"h", size=5))
        assert (response.status, response.body, response.complete) == (401, b"who?", True)
        assert app.errors == []


async def disconnect(app: ForwardingApp, upload: ReceivedRequest, raw: bytes, body: bytes) -> None:
    """Send bytes, disconnect once the upstream has this body, and wait for the end."""
    reader, writer = await app.connect()
    writer.write(raw)
    await until(lambda: upload.body == body)
    writer.close()
    await app.wait_finished()
    assert await reader.read() == b""


@pytest.mark.parametrize(
    "raw",
    [put(b"hello", size=10), put_chunked(b"hello", end=b""), put_chunked(b"hello", end=b"0\r\n")],
    ids=["length", "chunked", "last-chunk"],
)
async def test_a_client_that_disconnects_in_its_body_leaves_no_complete_upload(
    forwarding: Forwarding, raw: bytes
) -> None:
    upload = ReceivedRequest()
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        try:
            await upload.read(connection)
        finally:
            closed.set()

    async with forwarding(script) as (app, _):
        await disconnect(app, upload, raw, b"hello")
        await closed.wait()
        assert app.errors == []
        assert not upload.complete
        assert upload.body == b"hello"


async def test_a_client_that_disconnects_after_its_body_ends_the_upstream_request(
    forwarding: Forwarding,
) -> None:
    upload = ReceivedRequest()
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)
        await connection.wait_closed()
        closed.set()

    async with forwarding(script, read_timeout=60) as (app, _):
        await disconnect(app, upload, put(b"hello"), b"hello")
        await closed.wait()
        assert app.errors == []


@pytest.mark.parametrize(
    "raw",
    [put(b"hello", size=10), put_chunked(b"hello", end=b""), put(b"", size=5)],
    ids=["length", "chunked", "before-the-first-byte"],
)
async def test_a_client_that_stops_sending_is_too_slow(forwarding: Forwarding, raw: bytes) -> None:
    upload = ReceivedRequest()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)

    async with forwarding(script, body_timeout=0.2) as (app, upstream):
        response = await app.send(raw)
        assert (response.status, response.complete) == (400, True)
        assert isinstance(app.errors[0], SlowRequestError)
        assert not upload.complete
        if not raw.endswith(b"hello") and b"chunked" not in raw:
            assert upstream.connections == []  # no connection is taken for it


async def test_the_read_timeout_does_not_run_while_a_body_is_sent(forwarding: Forwarding) -> None:
    """The upstream need not respond before the body is complete."""
    upload = ReceivedRequest()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)
        await connection.send(OK)

    async with forwarding(script, read_timeout=1, body_timeout=5) as (app, _):
        reader, writer = await app.connect()
        writer.write(put(b"", size=6))
        for _ in range(6):
            writer.write(b"x")
            await asyncio.sleep(0.2)
        assert (await read_response(reader)).status == 200
        assert upload.body == b"xxxxxx"
        writer.close()


async def test_a_chunked_body_has_a_limit(forwarding: Forwarding) -> None:
    upload = ReceivedRequest()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)

    async with forwarding(script, max_body=100_000) as (app, _):
        response = await app.send(put_chunked(b"x" * 60_000, b"x" * 60_000))
        assert response.status == 413
        assert isinstance(app.errors[0], BodyTooLargeError)
        assert not upload.complete


async def test_a_declared_length_has_the_same_limit(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await ReceivedRequest().read(connection)

    async with forwarding(script, max_body=100_000) as (app, upstream):
        response = await app.send(put(b"x", size=100_001))
        assert response.status == 413
        assert upstream.connections == []


@all_event_loops_and_copy_modes
async def test_an_upstream_that_does_not_read_slows_the_client_down_and_times_out(
    forwarding: Forwarding,
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await asyncio.sleep(30)

    async with forwarding(script, read_timeout=0.5) as (app, _):
        reader, writer = await app.connect()
        try:
            writer.write(put(b"", size=500_000_000))
            response = asyncio.create_task(read_response(reader))
            taken = 0
            while not response.done() and taken < 500_000_000:
                writer.write(b"x" * 100_000)
                drained = asyncio.create_task(writer.drain())
                await asyncio.wait({response, drained}, return_when=asyncio.FIRST_COMPLETED)
                if not drained.done():
                    drained.cancel()
                    break
                if drained.exception() is not None:
                    break
                taken += 100_000
            # What fits into the buffers of the sockets and of the gateway.
            assert taken < 50_000_000
            assert (await response).status == 504
            assert isinstance(app.errors[0], UpstreamTimeoutError)
        finally:
            writer.transport.abort()


@pytest.mark.parametrize(("length", "body"), [(10, b"hello"), (3, b"hello")], ids=["short", "long"])
async def test_a_body_that_contradicts_its_length_is_never_complete_upstream(
    forwarding: Forwarding, length: int, body: bytes
) -> None:
    """uvicorn checks this already; a layer between might not."""
    upload = ReceivedRequest()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: object) -> None:
        raise AssertionError

    async with forwarding(script) as (app, _):
        request = UpstreamRequest(b"PUT", b"/a", [], None, length)
        with pytest.raises(Exception, match="Content-Length"):
            await app.upstream.forward(request, receive, send)
        assert not upload.complete


async def test_an_error_while_reading_the_body_is_raised(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.wait_closed()

    async def receive() -> dict[str, object]:
        raise RuntimeError("a defect")

    async def send(_: object) -> None:
        raise AssertionError

    async with forwarding(script) as (app, _):
        request = UpstreamRequest(b"PUT", b"/a", [], None, 5)
        with pytest.raises(RuntimeError, match="a defect"):
            await app.upstream.forward(request, receive, send)
