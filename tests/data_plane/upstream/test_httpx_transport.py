"""The same pool under an ordinary httpx client."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.core.errors import UpstreamProtocolError, UpstreamTimeoutError
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.connection import READ_AHEAD
from app.data_plane.upstream.response_reader import WHOLE_BODY
from tests.data_plane.upstream.test_upload import Upload
from tests.support.scripted_upstream import OK, Hostile, Peer, Run, each_loop, hostile, until

pytestmark = each_loop


def client(server: Hostile, **options: float) -> httpx.AsyncClient:
    url = f"http://127.0.0.1:{server.port}"
    settings = {"queue_timeout": 5, "connect_timeout": 5, "read_timeout": 5, "body_timeout": 5}
    upstream = UpstreamClient(url, max_connections=2, **(settings | options))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=upstream, base_url=url)


async def serve(peer: Peer) -> None:
    while True:
        upload = Upload()
        await upload.read(peer)
        if not upload.whole:
            return
        body = b"%b %b" % (upload.headers.get(b"content-type", b""), bytes(upload.body))
        await peer.send(
            b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )


def test_json_goes_up_and_comes_back(run: Run) -> None:
    async def main() -> None:
        async with hostile(serve) as server, client(server) as http:
            for _ in range(3):
                answer = await http.post("/api?x=%20", json={"a": 1})
                assert answer.text == 'application/json {"a":1}'
            assert len(server.peers) == 1
            assert len(http.cookies) == 0

    run(main())


def test_a_generator_goes_up_chunked(run: Run) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000

    async def main() -> None:
        async with hostile(serve) as server, client(server) as http:
            for _ in range(2):
                answer = await http.put("/", content=body())
                assert answer.content == b" " + b"x" * 300_000
            assert len(server.peers) == 1

    run(main())


def test_a_chunk_may_come_in_reads_as_large_as_there_are(run: Run) -> None:
    size = 10 * READ_AHEAD
    written = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        await peer.send(head + b"%x\r\n" % size + b"x" * size)
        await until(lambda: peer.writer.transport.get_write_buffer_size() == 0)
        written.set()
        await peer.send(b"\r\n0\r\n\r\n")
        await peer.gone()

    async def main() -> None:
        async with (
            hostile(script) as server,
            client(server) as http,
            http.stream("GET", "/") as answer,
        ):
            # What is not read yet waits in the socket, and comes at once.
            await written.wait()
            assert await answer.aread() == b"x" * size

    run(main())


def test_an_answer_that_is_nearly_whole_with_the_first_read_comes_whole(run: Run) -> None:
    size = WHOLE_BODY + READ_AHEAD

    async def script(peer: Peer) -> None:
        await peer.head()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size
        await peer.send(head + b"x" * (READ_AHEAD + 1))
        await until(lambda: peer.writer.transport.get_write_buffer_size() == 0)
        await peer.send(b"x" * (WHOLE_BODY - 1))
        await peer.gone()

    async def main() -> None:
        async with hostile(script) as server, client(server) as http:
            answer = await http.get("/")
            assert answer.content == b"x" * size

    run(main())


def test_a_generator_that_fails_leaves_no_whole_upload(run: Run) -> None:
    upload = Upload()

    async def script(peer: Peer) -> None:
        await upload.read(peer)

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("a defect")

    async def main() -> None:
        async with hostile(script) as server, client(server) as http:
            with pytest.raises(RuntimeError, match="a defect"):
                await http.put("/", content=body())
            await until(lambda: server.peers)
            assert not upload.whole

    run(main())


def test_an_answer_streams_and_its_connection_comes_back(run: Run) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await go.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await peer.answer()

    async def main() -> None:
        async with hostile(script) as server, client(server) as http:
            async with http.stream("GET", "/") as answer:
                pieces = answer.aiter_raw()
                assert await anext(pieces) == b"one"
                go.set()
                assert await anext(pieces) == b"two"
                assert [piece async for piece in pieces] == []
            assert (await http.get("/")).text == "ok"
            assert len(server.peers) == 1

    run(main())


def test_an_answer_closed_early_closes_its_connection(run: Run) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nabc")
        await peer.gone()
        gone.set()

    async def main() -> None:
        async with hostile(script) as server, client(server) as http:
            async with http.stream("GET", "/") as answer:
                assert answer.status_code == 200
            await asyncio.wait_for(gone.wait(), 5)

    run(main())


def test_compressed_answers_are_httpx_business(run: Run) -> None:
    import gzip

    packed = gzip.compress(b"hello")

    async def script(peer: Peer) -> None:
        await peer.answer(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
            + packed
        )

    async def main() -> None:
        async with hostile(script) as server, client(server) as http:
            assert (await http.get("/")).text == "hello"

    run(main())


def test_the_errors_are_the_gateways(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        if peer.number == 0:
            await peer.send(b"junk\r\n\r\n")
        await peer.gone()

    async def main() -> None:
        async with hostile(script) as server, client(server, read_timeout=0.2) as http:
            with pytest.raises(UpstreamProtocolError):
                await http.get("/")
            with pytest.raises(UpstreamTimeoutError):
                await http.get("/")

    run(main())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://elsewhere/", "https://127.0.0.1/"])
def test_another_origin_is_refused(run: Run, url: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(OK)

    async def main() -> None:
        async with hostile(script) as server, client(server) as http:
            with pytest.raises(ValueError, match="upstream"):
                await http.get(url)
            assert server.peers == []

    run(main())
