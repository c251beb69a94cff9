"""Bodies large enough to go past the process: every rule holds there as for copied ones."""

import asyncio
import hashlib
import os
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from app.core.errors import SlowRequestError, UpstreamProtocolError, UpstreamTimeoutError
from app.core.min_rate import WINDOW_IN_TIMEOUTS
from app.data_plane.upstream import splice, spliced_bodies
from app.data_plane.upstream.spliced_bodies import MIN_SIZE, TAIL
from app.edge.http1 import lingering_transport
from tests.support.scripted_upstream import (
    OK,
    Gateway,
    Peer,
    Run,
    each_way,
    read_answer,
    scene,
    until,
)

pytestmark = each_way

MEGABYTE = 1024 * 1024
# No two blocks of it alike, so that nothing can be lost, repeated or exchanged unseen.
NOISE = random.Random(4).randbytes(9 * MEGABYTE)
GET = b"GET / HTTP/1.1\r\nhost: g\r\n\r\n"
# More than all buffers on the way hold.
HUGE = 500 * MEGABYTE


def put(size: int, *headers: bytes) -> bytes:
    """The head of an upload."""
    lines = b"".join(b"%b\r\n" % line for line in headers)
    return b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n%b\r\n" % (size, lines)


def head(size: int) -> bytes:
    """The head of an answer."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size


def length(request: bytes) -> int:
    _, found, rest = request.partition(b"content-length: ")
    return int(rest.partition(b"\r")[0]) if found else 0


async def take_upload(peer: Peer) -> bytes:
    """Take one request and its body: the sum of it."""
    left = length(await peer.head())
    whole = hashlib.sha256()
    while left:
        data = await peer.reader.readexactly(min(left, 65536))
        whole.update(data)
        left -= len(data)
    return whole.hexdigest().encode()


def pieces(body: bytes, generator: random.Random) -> list[bytes]:
    """The body in pieces of any size."""
    cuts = sorted(generator.randrange(len(body)) for _ in range(generator.randrange(6)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def was_spliced(front: Gateway) -> bool:
    """Whether a body has gone past; True too where none may, to be of use in conditions."""
    return front.spliced is None or bool(front.spliced)


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def sizes() -> list[int]:
    generator = random.Random(7)
    edges = [MIN_SIZE, MIN_SIZE + TAIL, MIN_SIZE + splice.PIPE_SIZE]
    near = [edge + generator.randrange(-70_000, 70_000) for edge in edges for _ in range(4)]
    larger = [generator.randrange(2 * MEGABYTE, 4 * MEGABYTE) for _ in range(4)]
    return [*edges, *(edge + 1 for edge in edges), *near, *larger, len(NOISE)]


@pytest.mark.parametrize("least", [0, MIN_SIZE])
def test_bodies_of_any_size_go_up_and_down_unchanged_on_connections_that_are_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(spliced_bodies, "MIN_SIZE", least)
    generator = random.Random(11)

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.head()
            left = length(request)
            whole = hashlib.sha256(await peer.reader.readexactly(left)).hexdigest().encode()
            if request.startswith(b"PUT"):
                await peer.send(head(len(whole)) + whole)
                continue
            size = int(request.split()[1][1:])
            for piece in pieces(head(size) + NOISE[:size], generator):
                await peer.send(piece)
                await asyncio.sleep(generator.choice((0, 0, 0.005)))

    async def main() -> None:
        async with scene(script) as (front, server):
            reader, writer = await front.connect()
            for size in sizes():
                body = NOISE[-size:]
                # What comes in one piece with the end of a body belongs to the next request.
                raw = put(size) + body + b"GET /%d HTTP/1.1\r\nhost: g\r\n\r\n" % size
                for piece in pieces(raw, generator):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(generator.choice((0, 0, 0.005)))
                answer = await read_answer_exactly(reader)
                assert answer.decode() == hashlib.sha256(body).hexdigest()
                assert await read_answer_exactly(reader) == NOISE[:size]
            writer.close()
            assert front.errors == []
            assert len(server.peers) == 1
            if front.spliced is not None:
                assert len(front.spliced) > (10 if least else len(sizes()))
                assert sum(front.spliced) > 10 * MEGABYTE

    run(main())


async def read_answer_exactly(reader: asyncio.StreamReader) -> bytes:
    """The body of one answer, and nothing of what follows it."""
    return await reader.readexactly(length(await reader.readuntil(b"\r\n\r\n")))


def test_a_large_upload_that_is_asked_for(run: Run) -> None:
    async def script(peer: Peer) -> None:
        whole = await take_upload(peer)
        await peer.send(head(len(whole)) + whole)

    async def main() -> None:
        async with scene(script) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(len(NOISE), b"expect: 100-continue"))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(NOISE)
            answer = await read_answer(reader)
            assert answer.body.decode() == hashlib.sha256(NOISE).hexdigest()
            assert was_spliced(front)
            writer.close()

    run(main())


def test_both_sides_may_be_slow(run: Run) -> None:
    """Whoever takes slowly holds the other back; nothing is lost on the way."""

    async def slowly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
        while size:
            data = await reader.readexactly(min(size, 600_000))
            size -= len(data)
            yield data
            await asyncio.sleep(0.01)

    async def script(peer: Peer) -> None:
        whole = hashlib.sha256()
        async for data in slowly(peer.reader, length(await peer.head())):
            whole.update(data)
        await peer.send(head(len(NOISE)) + NOISE)
        assert whole.digest() == hashlib.sha256(NOISE * 3).digest()
        await peer.gone()

    async def main() -> None:
        async with scene(script) as (front, _):
            reader, writer = await front.connect()
            for sock in (writer.get_extra_info("socket"),):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            writer.write(put(3 * len(NOISE)) + NOISE * 3)
            assert length(await reader.readuntil(b"\r\n\r\n")) == len(NOISE)
            whole = hashlib.sha256()
            async for data in slowly(reader, len(NOISE)):
                whole.update(data)
            assert whole.digest() == hashlib.sha256(NOISE).digest()
            assert front.errors == []
            writer.close()

    run(main())


# --- downloads ---


def test_an_answer_whose_body_begins_like_a_head_stays_in_order(run: Run) -> None:
    body = b"HTTP/1.1 is what this file is about. " + NOISE[: 4 * MEGABYTE]

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.send(head(len(body)))
            # The answer's head is with the client when the first of the body comes.
            await begun.wait()
            await peer.send(body)
            await peer.gone()

        begun = asyncio.Event()
        async with scene(script) as (front, _):
            # A client that takes little at a time, so that not all can be written at once.
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", front.port))
            reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
            writer.write(GET)
            assert length(await reader.readuntil(b"\r\n\r\n")) == len(body)
            begun.set()
            assert await reader.readexactly(len(body)) == body
            assert front.errors == []
            assert was_spliced(front)
            writer.close()

    run(main())


@pytest.mark.parametrize("how", ["end", "reset", "stall"])
def test_an_answer_that_breaks_off_is_cut_and_never_looks_whole(run: Run, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(head(len(NOISE)) + NOISE[: 5 * MEGABYTE])
        if how == "stall":
            await peer.gone()
        elif how == "reset":
            await asyncio.sleep(0.1)
            peer.reset()

    async def main() -> None:
        async with scene(script, read_timeout=0.4) as (front, _):
            answer = await front.get()
            assert (answer.status, answer.whole) == (200, False)
            assert answer.body == NOISE[: len(answer.body)]
            if how != "reset":
                assert len(answer.body) == 5 * MEGABYTE
            await front.finished()
            expected = UpstreamTimeoutError if how == "stall" else UpstreamProtocolError
            assert isinstance(front.errors[0], expected)
            assert was_spliced(front)

    run(main())


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"])
def test_an_answer_that_is_longer_than_it_said_is_never_whole(run: Run, surplus: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(head(len(NOISE)) + NOISE + surplus)
        await peer.gone()

    async def main() -> None:
        async with scene(script) as (front, _):
            answer = await front.get()
            assert not answer.whole
            await front.finished()
            assert isinstance(front.errors[0], UpstreamProtocolError)
            assert was_spliced(front)

    run(main())


def test_time_counts_between_bytes(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(head(8 * MEGABYTE))
        for start in range(0, 8 * MEGABYTE, MEGABYTE):
            await peer.send(NOISE[start : start + MEGABYTE])
            await asyncio.sleep(0.2)

    async def main() -> None:
        async with scene(script, read_timeout=0.8) as (front, _):
            answer = await front.get()
            assert (answer.whole, answer.body) == (True, NOISE[: 8 * MEGABYTE])
            assert was_spliced(front)

    run(main())


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("endless", [False, True])
def test_a_client_that_leaves_in_an_answer_ends_it(run: Run, endless: bool, resets: bool) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(head(HUGE) + NOISE)
        with suppress(ConnectionError):
            while endless:
                await peer.send(NOISE)
        await peer.gone()
        gone.set()

    async def main() -> None:
        async with scene(script, read_timeout=60) as (front, server):
            reader, writer = await front.connect()
            writer.write(GET)
            await reader.readexactly(4 * MEGABYTE)
            if resets:
                reset(writer)
            else:
                writer.close()
            await asyncio.wait_for(gone.wait(), 10)
            await front.finished()
            assert front.errors == []
            assert len(server.peers) == 1
            assert was_spliced(front)
            # What the client did get counts, but for what was read before the splice began.
            assert all(size > 3 * MEGABYTE for _, size in front.counted)

    run(main())


def test_a_client_that_reads_no_more_is_cut(run: Run) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(head(HUGE))
        with suppress(ConnectionError):
            for _ in range(HUGE // len(NOISE)):
                await peer.send(NOISE)
        gone.set()

    async def main() -> None:
        async with scene(script, read_timeout=0.5) as (front, _):
            reader, writer = await front.connect()
            writer.write(GET)
            await reader.readexactly(2 * MEGABYTE)
            await front.finished()
            # Nothing of MLflow's, and not counted as such.
            assert isinstance(front.errors[0], SlowRequestError)
            await asyncio.wait_for(gone.wait(), 10)
            assert was_spliced(front)
            writer.close()

    run(main())


def test_a_client_may_not_leave_an_answer_lying_however_patient_the_upstream_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering_transport, "SEND_TIMEOUT", 0.5)

    async def script(peer: Peer) -> None:
        await peer.answer(head(HUGE))
        with suppress(ConnectionError):
            for _ in range(HUGE // len(NOISE)):
                await peer.send(NOISE)

    async def main() -> None:
        async with scene(script, read_timeout=2) as (front, _):
            reader, writer = await front.connect()
            writer.write(GET)
            await reader.readexactly(2 * MEGABYTE)
            await front.finished()
            assert was_spliced(front)
            if front.spliced is not None:  # otherwise it is uvicorn's own protocol, which waits
                assert front.errors == []
            writer.close()

    run(main())


# --- uploads ---


@pytest.mark.parametrize("resets", [False, True])
def test_a_client_that_leaves_in_its_body_leaves_no_whole_upload(run: Run, resets: bool) -> None:
    got = bytearray()
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        with suppress(ConnectionError):
            while data := await peer.reader.read(65536):
                got.extend(data)
        over.set()

    async def main() -> None:
        async with scene(script) as (front, _):
            _, writer = await front.connect()
            writer.write(put(len(NOISE)) + NOISE[: 6 * MEGABYTE])
            await until(lambda: len(got) > 2 * MEGABYTE)
            if resets:
                reset(writer)
            else:
                writer.close()
            await asyncio.wait_for(over.wait(), 10)
            await front.finished()
            assert front.errors == []
            assert got == NOISE[: len(got)]
            assert len(got) <= 6 * MEGABYTE
            assert was_spliced(front)

    run(main())


def test_a_client_that_leaves_while_the_upstream_takes_nothing(run: Run) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(2 * MEGABYTE)
        await over.wait()

    async def main() -> None:
        async with scene(script, read_timeout=1) as (front, _):
            _, writer = await front.connect()
            sending = asyncio.ensure_future(flood(writer))
            await asyncio.wait([sending], timeout=0.5)
            sending.cancel()
            reset(writer)
            await front.finished()
            if front.spliced is not None:  # a copied one runs into the time limit
                assert front.errors == []
                assert front.spliced
            over.set()

    run(main())


def test_a_client_that_falls_silent_in_its_body_is_slow(run: Run) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.gone()
        over.set()

    async def main() -> None:
        async with scene(script, body_timeout=0.4) as (front, _):
            answer = await front.ask(put(len(NOISE)) + NOISE[: 4 * MEGABYTE])
            assert (answer.status, answer.whole) == (400, True)
            assert answer.header(b"connection") == b"close"
            assert isinstance(front.errors[0], SlowRequestError)
            assert was_spliced(front)
            assert all(size > 3 * MEGABYTE for size, _ in front.counted)
            await asyncio.wait_for(over.wait(), 10)

    run(main())


def test_a_body_that_drips_is_slow(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async def main() -> None:
        gap = 0.5
        async with scene(script, body_timeout=gap) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(len(NOISE)) + NOISE[: 4 * MEGABYTE])
            answer = asyncio.ensure_future(read_answer(reader))
            drops = 0
            while not answer.done():
                writer.write(b"x")
                drops += 1
                await asyncio.wait([answer], timeout=gap / 5)
            # Never a silence that is too long, and more than one window of them.
            assert drops > WINDOW_IN_TIMEOUTS
            assert (await answer).status == 400
            assert "bytes a second" in str(front.errors[0])
            assert was_spliced(front)
            writer.close()

    run(main())


def test_a_slow_body_outlives_the_upstreams_silence(run: Run) -> None:
    async def script(peer: Peer) -> None:
        whole = await take_upload(peer)
        await peer.send(head(len(whole)) + whole)

    async def main() -> None:
        async with scene(script, read_timeout=0.4, body_timeout=3) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(5 * MEGABYTE))
            for start in range(0, 5 * MEGABYTE, MEGABYTE):
                writer.write(NOISE[start : start + MEGABYTE])
                await asyncio.sleep(0.6)
            answer = await read_answer(reader)
            assert answer.body.decode() == hashlib.sha256(NOISE[: 5 * MEGABYTE]).hexdigest()
            assert was_spliced(front)
            writer.close()

    run(main())


def test_an_upstream_that_takes_no_more_is_a_504(run: Run) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(2 * MEGABYTE)
        await over.wait()

    async def main() -> None:
        async with scene(script, read_timeout=0.5) as (front, _):
            reader, writer = await front.connect()
            sending = asyncio.ensure_future(flood(writer))
            answer = await read_answer(reader)
            assert (answer.status, answer.whole) == (504, True)
            assert isinstance(front.errors[0], UpstreamTimeoutError)
            assert was_spliced(front)
            over.set()
            sending.cancel()
            writer.close()

    run(main())


async def flood(writer: asyncio.StreamWriter) -> None:
    """Send a huge body, as far as it goes."""
    writer.write(put(HUGE))
    with suppress(ConnectionError):
        for _ in range(HUGE // MEGABYTE):
            writer.write(NOISE[:MEGABYTE])
            await writer.drain()


@pytest.mark.parametrize("then", ["stays", "ends", "resets"])
@pytest.mark.parametrize("read", [0, 3 * MEGABYTE])
def test_an_early_answer_reaches_a_client_that_goes_on_sending(
    run: Run, read: int, then: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(read)
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        if then == "stays":
            await peer.gone()
        else:
            # Not before the answer has been read: the reset may overtake it that both cause.
            await asyncio.sleep(0.2)
        if then == "resets":
            peer.reset()

    async def main() -> None:
        async with scene(script) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(len(NOISE)) + NOISE[: 4 * MEGABYTE])
            await asyncio.sleep(0.1)
            writer.write(NOISE[4 * MEGABYTE :])
            answer = await read_answer(reader)
            assert (answer.status, answer.body, answer.whole) == (413, b"large", True)
            assert answer.header(b"connection") == b"close"
            await front.finished()
            assert front.errors == []
            if read:
                assert was_spliced(front)
            writer.close()

    run(main())


@pytest.mark.parametrize("how", ["end", "reset"])
def test_an_upstream_that_leaves_in_an_upload_is_a_502(run: Run, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(3 * MEGABYTE)
        if how == "reset":
            peer.reset()

    async def main() -> None:
        async with scene(script) as (front, _):
            reader, writer = await front.connect()
            sending = asyncio.ensure_future(flood(writer))
            answer = await read_answer(reader)
            assert (answer.status, answer.whole) == (502, True)
            assert was_spliced(front)
            sending.cancel()
            writer.close()

    run(main())


# --- what it takes ---


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_many_at_once_leave_room_for_others_and_give_all_back(run: Run) -> None:
    many = 20

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.head()
            if request.startswith(b"PUT"):
                left = length(request)
                while left:
                    left -= len(await peer.reader.readexactly(min(left, 65536)))
                await peer.send(OK)
            elif b"/small" in request:
                await peer.send(OK)
            else:
                await peer.send(head(len(NOISE)) + NOISE)

    async def main() -> None:
        async with scene(script, max_connections=many + 5) as (front, _):
            await front.get(b"/small")
            before = descriptors()
            large = [asyncio.ensure_future(front.get()) for _ in range(many // 2)]
            large += [
                asyncio.ensure_future(front.ask(put(len(NOISE)) + NOISE)) for _ in range(many // 2)
            ]
            beside = 0
            while not all(one.done() for one in large):
                assert (await front.get(b"/small")).body == b"ok"
                beside += 1
            assert beside > 3
            for answer in await asyncio.gather(*large):
                assert answer.body in (NOISE, b"ok")
            assert was_spliced(front)
            await front.upstream.aclose()
            await until(lambda: descriptors() <= before)
            assert front.errors == []

    run(main())


def test_however_transfers_end_everything_is_given_back(run: Run) -> None:
    generator = random.Random(5)

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.head()
            ends = generator.choice(("whole", "whole", "early", "reset", "close"))
            part = len(NOISE) if ends == "whole" else generator.randrange(len(NOISE))
            if request.startswith(b"PUT"):
                await peer.reader.readexactly(part)
                if ends in ("whole", "early"):
                    await peer.send(OK)
            elif request.startswith(b"GET /small"):
                ends = "whole"
                await peer.send(OK)
            else:
                await peer.send(head(len(NOISE)) + NOISE[:part])
            if ends == "reset":
                peer.reset()
            if ends != "whole":
                return

    async def one(front: Gateway) -> None:
        reader, writer = await front.connect()
        up = generator.choice((True, False))
        leaves = generator.choice((False, False, True))
        part = generator.randrange(len(NOISE)) if leaves else len(NOISE)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if up:
                writer.write(put(len(NOISE)) + NOISE[:part])
                await (writer.drain() if leaves else read_answer(reader))
            else:
                writer.write(GET)
                await (reader.readexactly(part) if leaves else read_answer(reader))
        if generator.choice((True, False)):
            reset(writer)
        else:
            writer.transport.abort()

    async def main() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with scene(script) as (front, _):
            assert (await front.get(b"/small")).body == b"ok"
            before = descriptors()
            for _ in range(12):
                await asyncio.gather(*(one(front) for _ in range(8)))
            await until(lambda: not front.upstream._active)
            await front.upstream.aclose()
            await until(lambda: descriptors() <= before)
            assert all(isinstance(error, UpstreamProtocolError) for error in front.errors)
            assert was_spliced(front)
        assert faults == []

    run(main())


def test_an_answer_is_whole_though_the_upstream_resets_after_it(run: Run) -> None:
    size = 2 * MEGABYTE

    async def script(peer: Peer) -> None:
        await peer.answer(head(size) + NOISE[:size])
        await asyncio.sleep(0.1)
        peer.reset()

    async def main() -> None:
        async with scene(script) as (front, _):
            answer = await front.get()
            assert (answer.whole, answer.body) == (True, NOISE[:size])
            assert was_spliced(front)
            assert front.errors == []

    run(main())


def test_without_room_for_a_pipe_bodies_are_copied(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> tuple[int, int]:
        raise PermissionError("the user's pipes are full")

    async def script(peer: Peer) -> None:
        while True:
            whole = await take_upload(peer)
            await peer.send(head(len(NOISE)) + NOISE if whole == EMPTY else head(64) + whole)

    async def main() -> None:
        assert splice.supported()
        monkeypatch.setattr(splice, "_pipe", none)
        async with scene(script) as (front, server):
            before = descriptors()
            for _ in range(3):
                assert (await front.get()).body == NOISE
                answer = await front.ask(put(len(NOISE)) + NOISE)
                assert answer.body.decode() == hashlib.sha256(NOISE).hexdigest()
            assert not front.spliced
            assert len(server.peers) == 1
            await until(lambda: descriptors() <= before + 2)

    run(main())


EMPTY = hashlib.sha256().hexdigest().encode()
