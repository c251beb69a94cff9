"""Bodies that are large enough to be spliced: the same rules hold as for copied bodies.

Longer than most files here: the scripts of the upstream stand beside the tests that use them.
"""

import asyncio
import hashlib
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from app.core.errors import SlowRequestError, UpstreamProtocolError, UpstreamTimeoutError
from app.core.min_rate import WINDOW_IN_TIMEOUTS
from app.data_plane.upstream import splice, spliced_bodies
from app.data_plane.upstream.spliced_bodies import MIN_SIZE, TAIL
from app.edge.http1 import lingering_transport
from tests.data_plane.upstream.forwarding_app import (
    Forwarding,
    ForwardingApp,
    all_event_loops_and_copy_modes,
    read_response,
)
from tests.support.scripted_upstream import (
    OK,
    UpstreamConnection,
    reset,
)
from tests.support.waiting import until

pytestmark = all_event_loops_and_copy_modes

MEGABYTE = 1024 * 1024
# No two blocks are equal, so that no loss, repetition or exchange goes unnoticed.
NOISE = random.Random(4).randbytes(9 * MEGABYTE)
GET = b"GET / HTTP/1.1\r\nhost: g\r\n\r\n"
# More than all buffers between client and upstream hold.
HUGE = 500 * MEGABYTE


def put(size: int, *headers: bytes) -> bytes:
    """The head of an upload."""
    lines = b"".join(b"%b\r\n" % line for line in headers)
    return b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n%b\r\n" % (size, lines)


def head(size: int) -> bytes:
    """The head of a response."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size


def length(request: bytes) -> int:
    _, found, rest = request.partition(b"content-length: ")
    return int(rest.partition(b"\r")[0]) if found else 0


async def read_upload(connection: UpstreamConnection) -> bytes:
    """Read one request; return the SHA-256 of its body in hexadecimal."""
    left = length(await connection.read_head())
    sha256 = hashlib.sha256()
    while left:
        data = await connection.reader.readexactly(min(left, 65536))
        sha256.update(data)
        left -= len(data)
    return sha256.hexdigest().encode()


def pieces(body: bytes, generator: random.Random) -> list[bytes]:
    """The body, cut at random places."""
    cuts = sorted(generator.randrange(len(body)) for _ in range(generator.randrange(6)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def was_spliced(app: ForwardingApp) -> bool:
    """Whether a body was spliced; also True if splicing is off, for use in assertions."""
    return app.spliced is None or bool(app.spliced)


def sizes() -> list[int]:
    generator = random.Random(7)
    edges = [MIN_SIZE, MIN_SIZE + TAIL, MIN_SIZE + splice.PIPE_SIZE]
    near = [edge + generator.randrange(-70_000, 70_000) for edge in edges for _ in range(4)]
    larger = [generator.randrange(2 * MEGABYTE, 4 * MEGABYTE) for _ in range(4)]
    return [*edges, *(edge + 1 for edge in edges), *near, *larger, len(NOISE)]


@pytest.mark.parametrize("min_size", [0, MIN_SIZE])
async def test_bodies_of_any_size_are_transferred_unchanged_on_kept_connections(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch, min_size: int
) -> None:
    monkeypatch.setattr(spliced_bodies, "MIN_SIZE", min_size)
    generator = random.Random(11)

    async def script(connection: UpstreamConnection) -> None:
        while True:
            request = await connection.read_head()
            left = length(request)
            digest = hashlib.sha256(await connection.reader.readexactly(left)).hexdigest().encode()
            if request.startswith(b"PUT"):
                await connection.send(head(len(digest)) + digest)
                continue
            size = int(request.split()[1][1:])
            for piece in pieces(head(size) + NOISE[:size], generator):
                await connection.send(piece)
                await asyncio.sleep(generator.choice((0, 0, 0.005)))

    async with forwarding(script) as (app, upstream):
        reader, writer = await app.connect()
        for size in sizes():
            body = NOISE[-size:]
            # Bytes received together with the end of a body belong to the next request.
            raw = put(size) + body + b"GET /%d HTTP/1.1\r\nhost: g\r\n\r\n" % size
            for piece in pieces(raw, generator):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(generator.choice((0, 0, 0.005)))
            response = await read_answer_exactly(reader)
            assert response.decode() == hashlib.sha256(body).hexdigest()
            assert await read_answer_exactly(reader) == NOISE[:size]
        writer.close()
        assert app.errors == []
        assert len(upstream.connections) == 1
        if app.spliced is not None:
            assert len(app.spliced) > (10 if min_size else len(sizes()))
            assert sum(app.spliced) > 10 * MEGABYTE


async def read_answer_exactly(reader: asyncio.StreamReader) -> bytes:
    """The body of one response, without reading beyond it."""
    return await reader.readexactly(length(await reader.readuntil(b"\r\n\r\n")))


async def test_a_large_upload_after_100_continue(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        digest = await read_upload(connection)
        await connection.send(head(len(digest)) + digest)

    async with forwarding(script) as (app, _):
        reader, writer = await app.connect()
        writer.write(put(len(NOISE), b"expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(NOISE)
        response = await read_response(reader)
        assert response.body.decode() == hashlib.sha256(NOISE).hexdigest()
        assert was_spliced(app)
        writer.close()


async def test_client_and_upstream_may_both_be_slow(forwarding: Forwarding) -> None:
    """The slower side slows the other down; nothing is lost."""

    async def slowly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
        while size:
            data = await reader.readexactly(min(size, 600_000))
            size -= len(data)
            yield data
            await asyncio.sleep(0.01)

    async def script(connection: UpstreamConnection) -> None:
        sha256 = hashlib.sha256()
        async for data in slowly(connection.reader, length(await connection.read_head())):
            sha256.update(data)
        await connection.send(head(len(NOISE)) + NOISE)
        assert sha256.digest() == hashlib.sha256(NOISE * 3).digest()
        await connection.wait_closed()

    async with forwarding(script) as (app, _):
        reader, writer = await app.connect()
        for sock in (writer.get_extra_info("socket"),):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        writer.write(put(3 * len(NOISE)) + NOISE * 3)
        assert length(await reader.readuntil(b"\r\n\r\n")) == len(NOISE)
        sha256 = hashlib.sha256()
        async for data in slowly(reader, len(NOISE)):
            sha256.update(data)
        assert sha256.digest() == hashlib.sha256(NOISE).digest()
        assert app.errors == []
        writer.close()


# --- downloads ---


async def test_a_body_that_begins_like_a_response_head_stays_in_order(
    forwarding: Forwarding,
) -> None:
    body = b"HTTP/1.1 is what this file is about. " + NOISE[: 4 * MEGABYTE]

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.send(head(len(body)))
        # The client has the response's head before the body is sent.
        await begun.wait()
        await connection.send(body)
        await connection.wait_closed()

    begun = asyncio.Event()
    async with forwarding(script) as (app, _):
        # A client with a small receive buffer, so that the body cannot be written at once.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", app.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
        writer.write(GET)
        assert length(await reader.readuntil(b"\r\n\r\n")) == len(body)
        begun.set()
        assert await reader.readexactly(len(body)) == body
        assert app.errors == []
        assert was_spliced(app)
        writer.close()


@pytest.mark.parametrize("how", ["end", "reset", "stall"])
async def test_a_truncated_response_is_aborted_and_never_looks_complete(
    forwarding: Forwarding, how: str
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(len(NOISE)) + NOISE[: 5 * MEGABYTE])
        if how == "stall":
            await connection.wait_closed()
        elif how == "reset":
            await connection.delivered()
            connection.reset()

    async with forwarding(script, read_timeout=1 if how == "stall" else 30) as (app, _):
        response = await app.get()
        assert (response.status, response.complete) == (200, False)
        assert response.body == NOISE[: len(response.body)]
        if how != "reset":
            assert len(response.body) == 5 * MEGABYTE
        await app.wait_finished()
        expected = UpstreamTimeoutError if how == "stall" else UpstreamProtocolError
        assert isinstance(app.errors[0], expected)
        assert was_spliced(app)


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"])
async def test_a_response_longer_than_its_content_length_is_never_complete(
    forwarding: Forwarding, surplus: bytes
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(len(NOISE)) + NOISE + surplus)
        await connection.wait_closed()

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert not response.complete
        await app.wait_finished()
        assert isinstance(app.errors[0], UpstreamProtocolError)
        assert was_spliced(app)


async def test_the_read_timeout_is_between_bytes(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(8 * MEGABYTE))
        for start in range(0, 8 * MEGABYTE, MEGABYTE):
            await connection.send(NOISE[start : start + MEGABYTE])
            await asyncio.sleep(0.2)

    async with forwarding(script, read_timeout=1.2) as (app, _):
        response = await app.get()
        assert (response.complete, response.body) == (True, NOISE[: 8 * MEGABYTE])
        assert was_spliced(app)


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("endless", [False, True])
async def test_a_client_that_disconnects_during_a_response_ends_it(
    forwarding: Forwarding, endless: bool, resets: bool
) -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(HUGE) + NOISE)
        with suppress(ConnectionError):
            while endless:
                await connection.send(NOISE)
        await connection.wait_closed()
        closed.set()

    async with forwarding(script, read_timeout=60) as (app, upstream):
        reader, writer = await app.connect()
        writer.write(GET)
        await reader.readexactly(4 * MEGABYTE)
        if resets:
            reset(writer)
        else:
            writer.close()
        await closed.wait()
        await app.wait_finished()
        assert app.errors == []
        assert len(upstream.connections) == 1
        assert was_spliced(app)
        # The bytes that the client got are counted, apart from those read before the splice.
        assert all(size > 3 * MEGABYTE for _, size in app.byte_counts)


async def test_a_client_that_stops_reading_is_aborted(forwarding: Forwarding) -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(HUGE))
        with suppress(ConnectionError):
            for _ in range(HUGE // len(NOISE)):
                await connection.send(NOISE)
        closed.set()

    async with forwarding(script, read_timeout=0.5) as (app, _):
        reader, writer = await app.connect()
        writer.write(GET)
        await reader.readexactly(2 * MEGABYTE)
        await app.wait_finished()
        # Not an error of the upstream, and not counted as one.
        assert isinstance(app.errors[0], SlowRequestError)
        await closed.wait()
        assert was_spliced(app)
        writer.close()


async def test_a_client_that_stops_reading_is_aborted_whatever_the_read_timeout(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering_transport, "SEND_TIMEOUT", 0.5)

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(HUGE))
        with suppress(ConnectionError):
            for _ in range(HUGE // len(NOISE)):
                await connection.send(NOISE)

    async with forwarding(script, read_timeout=2) as (app, _):
        reader, writer = await app.connect()
        writer.write(GET)
        await reader.readexactly(2 * MEGABYTE)
        await app.wait_finished()
        assert was_spliced(app)
        if app.spliced is not None:  # without splicing, uvicorn's own protocol waits
            assert app.errors == []
        writer.close()


# --- uploads ---


@pytest.mark.parametrize("resets", [False, True])
async def test_a_client_that_disconnects_during_its_body_leaves_no_complete_upload(
    forwarding: Forwarding, resets: bool
) -> None:
    got = bytearray()
    done = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        with suppress(ConnectionError):
            while data := await connection.reader.read(65536):
                got.extend(data)
        done.set()

    async with forwarding(script) as (app, _):
        _, writer = await app.connect()
        writer.write(put(len(NOISE)) + NOISE[: 6 * MEGABYTE])
        await until(lambda: len(got) > 2 * MEGABYTE)
        if resets:
            reset(writer)
        else:
            writer.close()
        await done.wait()
        await app.wait_finished()
        assert app.errors == []
        assert got == NOISE[: len(got)]
        assert len(got) <= 6 * MEGABYTE
        assert was_spliced(app)


async def test_a_client_that_disconnects_while_the_upstream_does_not_read(
    forwarding: Forwarding,
) -> None:
    done = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.reader.readexactly(2 * MEGABYTE)
        await done.wait()

    async with forwarding(script, read_timeout=2) as (app, _):
        _, writer = await app.connect()
        sending = asyncio.ensure_future(flood(writer))
        await asyncio.wait([sending], timeout=0.5)
        sending.cancel()
        reset(writer)
        await app.wait_finished()
        if app.spliced is not None:  # with copying, the read timeout expires
            assert app.errors == []
            assert app.spliced
        done.set()


async def test_a_client_that_stops_sending_its_body_is_too_slow(forwarding: Forwarding) -> None:
    done = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.wait_closed()
        done.set()

    async with forwarding(script, body_timeout=0.4) as (app, _):
        response = await app.send(put(len(NOISE)) + NOISE[: 4 * MEGABYTE])
        assert (response.status, response.complete) == (400, True)
        assert response.header(b"connection") == b"close"
        assert isinstance(app.errors[0], SlowRequestError)
        assert was_spliced(app)
        assert all(size > 3 * MEGABYTE for size, _ in app.byte_counts)
        await done.wait()


async def test_a_body_sent_byte_by_byte_is_too_slow(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.wait_closed()

    gap = 0.5
    async with forwarding(script, body_timeout=gap) as (app, _):
        reader, writer = await app.connect()
        writer.write(put(len(NOISE)) + NOISE[: 4 * MEGABYTE])
        response = asyncio.ensure_future(read_response(reader))
        bytes_sent = 0
        while not response.done():
            writer.write(b"x")
            bytes_sent += 1
            await asyncio.wait([response], timeout=gap / 5)
        # No pause was too long, and there were more bytes than one window of pauses.
        assert bytes_sent > WINDOW_IN_TIMEOUTS
        assert (await response).status == 400
        assert "bytes a second" in str(app.errors[0])
        assert was_spliced(app)
        writer.close()


async def test_the_read_timeout_does_not_run_while_a_large_body_is_sent(
    forwarding: Forwarding,
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        digest = await read_upload(connection)
        await connection.send(head(len(digest)) + digest)

    async with forwarding(script, read_timeout=2, body_timeout=10) as (app, _):
        reader, writer = await app.connect()
        writer.write(put(5 * MEGABYTE))
        for start in range(0, 5 * MEGABYTE, MEGABYTE):
            writer.write(NOISE[start : start + MEGABYTE])
            await asyncio.sleep(0.6)
        response = await read_response(reader)
        assert response.body.decode() == hashlib.sha256(NOISE[: 5 * MEGABYTE]).hexdigest()
        assert was_spliced(app)
        writer.close()


async def test_an_upstream_that_stops_reading_is_a_504(forwarding: Forwarding) -> None:
    done = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.reader.readexactly(2 * MEGABYTE)
        await done.wait()

    async with forwarding(script, read_timeout=0.5) as (app, _):
        reader, writer = await app.connect()
        sending = asyncio.ensure_future(flood(writer))
        response = await read_response(reader)
        assert (response.status, response.complete) == (504, True)
        assert isinstance(app.errors[0], UpstreamTimeoutError)
        assert was_spliced(app)
        done.set()
        sending.cancel()
        writer.close()


async def flood(writer: asyncio.StreamWriter) -> None:
    """Send a huge body until the connection ends."""
    writer.write(put(HUGE))
    with suppress(ConnectionError):
        for _ in range(HUGE // MEGABYTE):
            writer.write(NOISE[:MEGABYTE])
            await writer.drain()


@pytest.mark.parametrize("then", ["stays", "ends", "resets"])
@pytest.mark.parametrize("read", [0, 3 * MEGABYTE])
async def test_an_early_response_reaches_a_client_that_continues_to_send(
    forwarding: Forwarding, read: int, then: str
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.reader.readexactly(read)
        await connection.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        if then == "stays":
            await connection.wait_closed()
        else:
            # After the response has been read: otherwise the reset may overtake it.
            await until(lambda: app.sent)
        if then == "resets":
            connection.reset()

    async with forwarding(script) as (app, _):
        reader, writer = await app.connect()
        writer.write(put(len(NOISE)) + NOISE[: 4 * MEGABYTE])
        await asyncio.sleep(0.1)
        writer.write(NOISE[4 * MEGABYTE :])
        response = await read_response(reader)
        assert (response.status, response.body, response.complete) == (413, b"large", True)
        assert response.header(b"connection") == b"close"
        await app.wait_finished()
        assert app.errors == []
        if read:
            assert was_spliced(app)
        writer.close()


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_an_upstream_that_closes_during_an_upload_is_a_502(
    forwarding: Forwarding, how: str
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await connection.reader.readexactly(3 * MEGABYTE)
        if how == "reset":
            connection.reset()

    async with forwarding(script) as (app, _):
        reader, writer = await app.connect()
        sending = asyncio.ensure_future(flood(writer))
        response = await read_response(reader)
        assert (response.status, response.complete) == (502, True)
        assert was_spliced(app)
        sending.cancel()
        writer.close()


# --- resources ---


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_many_large_transfers_let_others_pass_and_release_all_descriptors(
    forwarding: Forwarding,
) -> None:
    many = 20

    async def script(connection: UpstreamConnection) -> None:
        while True:
            request = await connection.read_head()
            if request.startswith(b"PUT"):
                left = length(request)
                while left:
                    left -= len(await connection.reader.readexactly(min(left, 65536)))
                await connection.send(OK)
            elif b"/small" in request:
                await connection.send(OK)
            else:
                await connection.send(head(len(NOISE)) + NOISE)

    async with forwarding(script, max_connections=many + 5) as (app, _):
        await app.get(b"/small")
        before = descriptors()
        large = [asyncio.ensure_future(app.get()) for _ in range(many // 2)]
        large += [
            asyncio.ensure_future(app.send(put(len(NOISE)) + NOISE)) for _ in range(many // 2)
        ]
        beside = 0
        while not all(one.done() for one in large):
            assert (await app.get(b"/small")).body == b"ok"
            beside += 1
        assert beside > 3
        for response in await asyncio.gather(*large):
            assert response.body in (NOISE, b"ok")
        assert was_spliced(app)
        await app.upstream.aclose()
        await until(lambda: descriptors() <= before)
        assert app.errors == []


async def test_all_descriptors_are_released_however_transfers_end(forwarding: Forwarding) -> None:
    generator = random.Random(5)

    async def script(connection: UpstreamConnection) -> None:
        while True:
            request = await connection.read_head()
            ends = generator.choice(("complete", "complete", "early", "reset", "close"))
            part = len(NOISE) if ends == "complete" else generator.randrange(len(NOISE))
            if request.startswith(b"PUT"):
                await connection.reader.readexactly(part)
                if ends in ("complete", "early"):
                    await connection.send(OK)
            elif request.startswith(b"GET /small"):
                ends = "complete"
                await connection.send(OK)
            else:
                await connection.send(head(len(NOISE)) + NOISE[:part])
            if ends == "reset":
                connection.reset()
            if ends != "complete":
                return

    async def one(app: ForwardingApp) -> None:
        reader, writer = await app.connect()
        up = generator.choice((True, False))
        leaves = generator.choice((False, False, True))
        part = generator.randrange(len(NOISE)) if leaves else len(NOISE)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if up:
                writer.write(put(len(NOISE)) + NOISE[:part])
                await (writer.drain() if leaves else read_response(reader))
            else:
                writer.write(GET)
                await (reader.readexactly(part) if leaves else read_response(reader))
        if generator.choice((True, False)):
            reset(writer)
        else:
            writer.transport.abort()

    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with forwarding(script) as (app, _):
        assert (await app.get(b"/small")).body == b"ok"
        before = descriptors()
        for _ in range(12):
            await asyncio.gather(*(one(app) for _ in range(8)))
        await until(lambda: not app.upstream._active)
        await app.upstream.aclose()
        await until(lambda: descriptors() <= before)
        assert all(isinstance(error, UpstreamProtocolError) for error in app.errors)
        assert was_spliced(app)
    assert faults == []


async def test_a_response_is_complete_although_the_upstream_resets_after_it(
    forwarding: Forwarding,
) -> None:
    size = 2 * MEGABYTE

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(head(size) + NOISE[:size])
        await connection.delivered()
        connection.reset()

    async with forwarding(script) as (app, _):
        response = await app.get()
        assert (response.complete, response.body) == (True, NOISE[:size])
        assert was_spliced(app)
        assert app.errors == []


async def test_bodies_are_copied_if_no_pipe_can_be_made(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> tuple[int, int]:
        raise PermissionError("the user's pipes are full")

    async def script(connection: UpstreamConnection) -> None:
        while True:
            digest = await read_upload(connection)
            await connection.send(
                head(len(NOISE)) + NOISE if digest == EMPTY else head(64) + digest
            )

    assert splice.supported()
    monkeypatch.setattr(splice, "_pipe", none)
    async with forwarding(script) as (app, upstream):
        before = descriptors()
        for _ in range(3):
            assert (await app.get()).body == NOISE
            response = await app.send(put(len(NOISE)) + NOISE)
            assert response.body.decode() == hashlib.sha256(NOISE).hexdigest()
        assert not app.spliced
        assert len(upstream.connections) == 1
        await until(lambda: descriptors() <= before + 2)


EMPTY = hashlib.sha256().hexdigest().encode()
