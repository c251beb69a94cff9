"""Requests and responses of httpx in this package's types, for `UpstreamClient`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx
from starlette.types import Message, Receive

from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.headers import HOP_BY_HOP
from app.data_plane.upstream.request import UpstreamRequest

# The client writes these itself, or does not forward them.
_DROPPED = HOP_BY_HOP | {b"host", b"content-length", b"expect"}


class ResponseStream(httpx.AsyncByteStream):
    """The body of a response. on_close: called when httpx has finished with it."""

    def __init__(self, conn: Connection, on_close: Callable[[], None]) -> None:
        self._conn = conn
        self._on_close = on_close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while body := await self._conn.read():
            yield body

    async def aclose(self) -> None:
        self._on_close()


async def from_httpx(request: httpx.Request) -> tuple[UpstreamRequest, Receive | None]:
    """An httpx request as one for the upstream, and where its body comes from if it streams.

    Its extensions `caller` and `patience` are those of `UpstreamRequest`.
    """
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    upstream_request = UpstreamRequest(
        method=request.method.encode("ascii"),
        target=cast("bytes", request.extensions.get("target", request.url.raw_path)),
        headers=[item for item in headers if item[0] not in _DROPPED],
        caller=request.extensions.get("caller"),
        patience=request.extensions.get("patience", 0.0),
    )
    if isinstance(request.stream, httpx.ByteStream):
        upstream_request.body = await request.aread()
        return upstream_request, None
    length = request.headers.get("content-length")
    upstream_request.content_length = int(length) if length is not None else None
    upstream_request.chunked = length is None
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return upstream_request, _receive_from(request.stream)


def _receive_from(stream: httpx.AsyncByteStream) -> Receive:
    """The body of an httpx request as ASGI's `receive`."""
    chunks = aiter(stream)
    ended = False

    async def receive() -> Message:
        nonlocal ended
        async for chunk in chunks:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not ended:
            ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Wait for ever: an httpx client that leaves closes the response, and sends no message.
        await asyncio.get_running_loop().create_future()
        return {"type": "http.disconnect"}

    return receive
