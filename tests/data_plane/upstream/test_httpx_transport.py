"""The upstream client as the transport of an httpx client."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.core.errors import UpstreamProtocolError, UpstreamTimeoutError
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.connection import READ_AHEAD
from app.data_plane.upstream.response_reader import WHOLE_BODY
from tests.data_plane.upstream.received_request import ReceivedRequest
from tests.support.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    scripted_upstream,
)
from tests.support.waiting import until


def client(upstream: ScriptedUpstream, **options: float) -> httpx.AsyncClient:
    url = f"http://127.0.0.1:{upstream.port}"
    settings = {"queue_timeout": 5, "connect_timeout": 5, "read_timeout": 5, "body_timeout": 5}
    transport = UpstreamClient(url, max_connections=2, **(settings | options))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=url)


async def serve(connection: UpstreamConnection) -> None:
    while True:
        upload = ReceivedRequest()
        await upload.read(connection)
        if not upload.complete:
            return
        body = b"%b %b" % (upload.headers.get(b"content-type", b""), bytes(upload.body))
        await connection.send(
            b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )


async def test_json_is_sent_and_received() -> None:
    async with scripted_upstream(serve) as upstream, client(upstream) as http:
        for _ in range(3):
            response = await http.post("/api?x=%20", json={"a": 1})
            assert response.text == 'application/json {"a":1}'
        assert len(upstream.connections) == 1
        assert len(http.cookies) == 0


async def test_a_generator_is_sent_chunked() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000

    async with scripted_upstream(serve) as upstream, client(upstream) as http:
        for _ in range(2):
            response = await http.put("/", content=body())
            assert response.content == b" " + b"x" * 300_000
        assert len(upstream.connections) == 1


async def test_a_chunk_may_be_much_larger_than_one_read() -> None:
    size = 10 * READ_AHEAD
    written = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        await connection.send(head + b"%x\r\n" % size + b"x" * size)
        await until(lambda: connection.writer.transport.get_write_buffer_size() == 0)
        written.set()
        await connection.send(b"\r\n0\r\n\r\n")
        await connection.wait_closed()

    async with (
        scripted_upstream(script) as upstream,
        client(upstream) as http,
        http.stream("GET", "/") as response,
    ):
        # What has not been read waits in the socket, and is received at once.
        await written.wait()
        assert await response.aread() == b"x" * size


async def test_a_response_that_is_almost_complete_after_the_first_read_arrives_complete() -> None:
    size = WHOLE_BODY + READ_AHEAD

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size
        await connection.send(head + b"x" * (READ_AHEAD + 1))
        await until(lambda: connection.writer.transport.get_write_buffer_size() == 0)
        await connection.send(b"x" * (WHOLE_BODY - 1))
        await connection.wait_closed()

    async with scripted_upstream(script) as upstream, client(upstream) as http:
        response = await http.get("/")
        assert response.content == b"x" * size


async def test_a_generator_that_fails_leaves_no_complete_upload() -> None:
    upload = ReceivedRequest()

    async def script(connection: UpstreamConnection) -> None:
        await upload.read(connection)

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("a defect")

    async with scripted_upstream(script) as upstream, client(upstream) as http:
        with pytest.raises(RuntimeError, match="a defect"):
            await http.put("/", content=body())
        await until(lambda: upstream.connections)
        assert not upload.complete


async def test_a_response_is_streamed_and_its_connection_reused() -> None:
    go = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"
        )
        await go.wait()
        await connection.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await connection.respond()

    async with scripted_upstream(script) as upstream, client(upstream) as http:
        async with http.stream("GET", "/") as response:
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"one"
            go.set()
            assert await anext(pieces) == b"two"
            assert [piece async for piece in pieces] == []
        assert (await http.get("/")).text == "ok"
        assert len(upstream.connections) == 1


async def test_closing_a_response_early_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nabc")
        await connection.wait_closed()
        closed.set()

    async with scripted_upstream(script) as upstream, client(upstream) as http:
        async with http.stream("GET", "/") as response:
            assert response.status_code == 200
        await closed.wait()


async def test_httpx_decompresses_responses() -> None:
    import gzip

    packed = gzip.compress(b"hello")

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
            + packed
        )

    async with scripted_upstream(script) as upstream, client(upstream) as http:
        assert (await http.get("/")).text == "hello"


async def test_errors_are_those_of_the_gateway() -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        if connection.number == 0:
            await connection.send(b"junk\r\n\r\n")
        await connection.wait_closed()

    async with scripted_upstream(script) as upstream, client(upstream, read_timeout=0.2) as http:
        with pytest.raises(UpstreamProtocolError):
            await http.get("/")
        with pytest.raises(UpstreamTimeoutError):
            await http.get("/")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://elsewhere/", "https://127.0.0.1/"])
async def test_another_origin_is_refused(url: str) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(OK)

    async with scripted_upstream(script) as upstream, client(upstream) as http:
        with pytest.raises(ValueError, match="upstream"):
            await http.get(url)
        assert upstream.connections == []
