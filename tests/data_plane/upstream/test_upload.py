"""Request bodies: what goes up, when it stops, and what the upstream never gets to see whole."""

import asyncio

import httptools
import pytest

from app.core.errors import BodyTooLargeError, SlowRequestError, UpstreamTimeoutError
from app.data_plane.upstream.request import UpstreamRequest
from tests.support.scripted_upstream import (
    OK,
    Gateway,
    Hostile,
    Peer,
    Run,
    each_way,
    read_answer,
    scene,
)

pytestmark = each_way

LARGE = bytes(range(256)) * 40_000


def put(body: bytes, *headers: bytes, size: int | None = None) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    length = len(body) if size is None else size
    head = b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n%b\r\n" % (length, lines)
    return head + body


def put_chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"PUT /a HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


class Upload:
    """A request as the upstream understands it."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True

    async def read(self, peer: Peer) -> None:
        """Read until the request is whole or the gateway has gone."""
        parser = httptools.HttpRequestParser(self)
        while not self.whole:
            data = await peer.reader.read(65536)
            if not data:
                return
            parser.feed_data(data)


@pytest.mark.parametrize("held", [False, True], ids=["streamed", "held"])
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (put(b""), b""),
        (put(b"hello"), b"hello"),
        (put(LARGE), LARGE),
        (put_chunked(), b""),
        (put_chunked(b"hel", b"lo"), b"hello"),
        (put_chunked(*[LARGE[:100_000]] * 30), LARGE[:100_000] * 30),
    ],
    ids=["empty", "small", "large", "chunked-empty", "chunked", "chunked-large"],
)
def test_a_body_arrives_as_it_was_sent(run: Run, held: bool, raw: bytes, body: bytes) -> None:
    uploads: list[Upload] = []

    async def script(peer: Peer) -> None:
        while True:
            uploads.append(Upload())
            await uploads[-1].read(peer)
            if not uploads[-1].whole:
                return
            await peer.send(OK)

    async def main() -> None:
        async with scene(script, held=held) as (front, server):
            for i in range(2):
                answer = await front.ask(raw)
                assert (answer.status, answer.body, answer.whole) == (200, b"ok", True)
                assert uploads[i].whole
                assert uploads[i].body == body
                if held or raw.startswith(b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length"):
                    assert uploads[i].headers[b"content-length"] == b"%d" % len(body)
                else:
                    assert uploads[i].headers[b"transfer-encoding"] == b"chunked"
            assert front.errors == []
            assert len(server.peers) == 1

    run(main())


def test_expect_is_answered_here_and_not_passed_on(run: Run) -> None:
    upload = Upload()

    async def script(peer: Peer) -> None:
        await upload.read(peer)
        await peer.send(OK)

    async def main() -> None:
        async with scene(script) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(b"", b"expect: 100-continue", size=5))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"hello")
            assert (await read_answer(reader)).status == 200
            assert upload.body == b"hello"
            assert b"expect" not in upload.headers
            writer.close()

    run(main())


TOO_LARGE = b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge"


@pytest.mark.parametrize(
    "early",
    [
        TOO_LARGE,
        b"HTTP/1.1 413 Too Large\r\ntransfer-encoding: chunked\r\n\r\n5\r\nlarge\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_may_come_before_the_body_has_gone(run: Run, early: bytes, chunked: bool) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(early)
        # Nothing more is read here: the rest of the body has nowhere to go.
        await asyncio.sleep(0.2)
        await peer.gone()
        gone.set()

    async def main() -> None:
        async with scene(script) as (front, _):
            raw = put_chunked(*[LARGE] * 4) if chunked else put(LARGE * 4)
            answer = await front.ask(raw)
            assert (answer.status, answer.body, answer.whole) == (413, b"large", True)
            assert answer.header(b"connection") == b"close"
            await asyncio.wait_for(gone.wait(), 5)
            await front.finished()
            assert front.errors == []

    run(main())


def test_an_early_answer_reaches_a_client_that_waits_with_its_body(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\nwho?")

    async def main() -> None:
        async with scene(script) as (front, _):
            answer = await front.ask(put(b"h", size=5))
            assert (answer.status, answer.body, answer.whole) == (401, b"who?", True)
            assert front.errors == []

    run(main())


async def abandon(front: Gateway, server: Hostile, raw: bytes) -> None:
    reader, writer = await front.connect()
    writer.write(raw)
    await writer.drain()
    async with asyncio.timeout(10):
        while not server.peers:  # noqa: ASYNC110 - the server of the tests tells nobody
            await asyncio.sleep(0.02)
    # What was sent before the end has to have been passed on.
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.wait_for(front.finished(), 5)
    assert await reader.read() == b""


@pytest.mark.parametrize(
    "raw",
    [put(b"hello", size=10), put_chunked(b"hello", end=b""), put_chunked(b"hello", end=b"0\r\n")],
    ids=["length", "chunked", "last-chunk"],
)
def test_a_client_that_leaves_in_the_middle_leaves_no_whole_upload(run: Run, raw: bytes) -> None:
    upload = Upload()
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        try:
            await upload.read(peer)
        finally:
            gone.set()

    async def main() -> None:
        async with scene(script) as (front, server):
            await abandon(front, server, raw)
            await asyncio.wait_for(gone.wait(), 5)
            assert front.errors == []
            assert not upload.whole
            assert upload.body == b"hello"

    run(main())


def test_a_client_that_leaves_after_its_body_ends_the_upstream_request(run: Run) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await Upload().read(peer)
        await peer.gone()
        gone.set()

    async def main() -> None:
        async with scene(script, read_timeout=60) as (front, server):
            await abandon(front, server, put(b"hello"))
            await asyncio.wait_for(gone.wait(), 5)
            assert front.errors == []

    run(main())


@pytest.mark.parametrize(
    "raw",
    [put(b"hello", size=10), put_chunked(b"hello", end=b""), put(b"", size=5)],
    ids=["length", "chunked", "before-the-first-byte"],
)
def test_a_silent_client_is_slow(run: Run, raw: bytes) -> None:
    upload = Upload()

    async def script(peer: Peer) -> None:
        await upload.read(peer)

    async def main() -> None:
        async with scene(script, body_timeout=0.2) as (front, server):
            answer = await front.ask(raw)
            assert (answer.status, answer.whole) == (400, True)
            assert isinstance(front.errors[0], SlowRequestError)
            assert not upload.whole
            if not raw.endswith(b"hello") and b"chunked" not in raw:
                assert server.peers == []  # no connection is held for it

    run(main())


def test_a_slow_upload_outlives_the_upstreams_silence(run: Run) -> None:
    """The upstream has nothing to say while the body is coming."""
    upload = Upload()

    async def script(peer: Peer) -> None:
        await upload.read(peer)
        await peer.send(OK)

    async def main() -> None:
        async with scene(script, read_timeout=0.4, body_timeout=2) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(b"", size=6))
            for _ in range(6):
                writer.write(b"x")
                await asyncio.sleep(0.2)
            assert (await read_answer(reader)).status == 200
            assert upload.body == b"xxxxxx"
            writer.close()

    run(main())


def test_a_chunked_body_has_a_limit(run: Run) -> None:
    upload = Upload()

    async def script(peer: Peer) -> None:
        await upload.read(peer)

    async def main() -> None:
        async with scene(script, max_body=100_000) as (front, _):
            answer = await front.ask(put_chunked(b"x" * 60_000, b"x" * 60_000))
            assert answer.status == 413
            assert isinstance(front.errors[0], BodyTooLargeError)
            assert not upload.whole

    run(main())


def test_a_declared_length_has_the_same_limit(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await Upload().read(peer)

    async def main() -> None:
        async with scene(script, max_body=100_000) as (front, server):
            answer = await front.ask(put(b"x", size=100_001))
            assert answer.status == 413
            assert server.peers == []

    run(main())


def test_an_upstream_that_does_not_read_holds_the_client_back_and_times_out(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(30)

    async def main() -> None:
        async with scene(script, read_timeout=0.5) as (front, _):
            reader, writer = await front.connect()
            writer.write(put(b"", size=500_000_000))
            taken = 0
            try:
                while taken < 500_000_000:
                    writer.write(b"x" * 100_000)
                    await asyncio.wait_for(writer.drain(), 0.3)
                    taken += 100_000
            except (TimeoutError, ConnectionError):
                pass
            # What fits into the sockets' and our own buffers.
            assert taken < 50_000_000
            assert (await read_answer(reader)).status == 504
            assert isinstance(front.errors[0], UpstreamTimeoutError)
            writer.close()

    run(main())


@pytest.mark.parametrize(("length", "body"), [(10, b"hello"), (3, b"hello")], ids=["short", "long"])
def test_a_body_that_is_not_its_length_is_never_whole_upstream(
    run: Run, length: int, body: bytes
) -> None:
    """The server in front checks this already; a layer between may not."""
    upload = Upload()

    async def script(peer: Peer) -> None:
        await upload.read(peer)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: object) -> None:
        raise AssertionError

    async def main() -> None:
        async with scene(script) as (front, _):
            request = UpstreamRequest(b"PUT", b"/a", [], None, length)
            with pytest.raises(Exception, match="Content-Length"):
                await front.upstream.forward(request, receive, send)
            assert not upload.whole

    run(main())


def test_a_fault_of_the_layer_that_reads_is_not_swallowed(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async def receive() -> dict[str, object]:
        raise RuntimeError("a defect")

    async def send(_: object) -> None:
        raise AssertionError

    async def main() -> None:
        async with scene(script) as (front, _):
            request = UpstreamRequest(b"PUT", b"/a", [], None, 5)
            with pytest.raises(RuntimeError, match="a defect"):
                await front.upstream.forward(request, receive, send)

    run(main())
