"""The two ways to MLflow over one pool of connections.

`forward` is the data plane: raw bytes from an ASGI client to MLflow and back, with no object per
header, no decoding, and no task for a request that is over soon. `handle_async_request` is the same
for an `httpx.AsyncClient`, which the control plane uses.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Self, cast
from urllib.parse import urlsplit

import httpx
from starlette.types import Message, Receive, Send

from app.core.errors import SlowRequestError, StartupError, UpstreamBusyError, UpstreamError
from app.core.settings import Settings
from app.data_plane.upstream.connection import Connection, StaleConnectionError
from app.data_plane.upstream.headers import HOP_BY_HOP
from app.data_plane.upstream.interfaces import ZeroCopyChannel
from app.data_plane.upstream.pool import Pool, PoolLimits, PoolUsage
from app.data_plane.upstream.request import IDEMPOTENT, UpstreamRequest, encode_head
from app.data_plane.upstream.response_head import BODILESS
from app.data_plane.upstream.transfer import UNREAD, ClientGoneError, Transfer

# How often silence is looked for, in seconds: one timer for all requests instead of several each.
TICK = 0.1
# How long the rest of a body is read after MLflow has answered before its end, in seconds.
LINGER = 2.0
MAX_BODY = 50 * 1024**3
# What is read of an error's body; what MLflow says is far shorter.
MAX_REFUSAL = 64 * 1024

Refusal = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], Exception]


class UpstreamClient(httpx.AsyncBaseTransport):
    """A pooled HTTP/1.1 client for one server.

    url: of the server, with a path if it lives below one. max_connections: open at a time. share:
    the part of them that one caller may hold; see `UpstreamRequest.caller`. In seconds:
    queue_timeout, the wait for a free connection; connect_timeout, TCP and TLS; read_timeout, the
    longest silence of the server, or of a client that takes no more of an answer; body_timeout, the
    longest silence in a request's body; idle_timeout, for which a free connection is kept, less
    than the server's own. ca_file: PEM certificates to trust instead of the system's. max_body:
    bytes of a streamed body. refusal: makes the error that `forward` raises for an answer of 400 or
    more, from its status, headers and what came of its body; without it such an answer goes to the
    client as it is. failed: told the reason of each request that the server, or the way to it,
    failed.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int,
        share: float = 1.0,
        queue_timeout: float,
        connect_timeout: float,
        read_timeout: float,
        body_timeout: float,
        idle_timeout: float = 4.0,
        ca_file: Path | None = None,
        max_body: int = MAX_BODY,
        refusal: Refusal | None = None,
        failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(f"not an http:// or https:// URL: {url!r}")
        tls = None
        if parts.scheme == "https":
            tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            tls.set_alpn_protocols(["http/1.1"])
        self._origin = httpx.URL(url)
        self._host = parts.netloc.encode("ascii")
        self._prefix = parts.path.rstrip("/").encode("ascii")
        self._read_timeout = read_timeout
        self._body_gap = body_timeout
        self._max_body = max_body
        self._refusal = refusal
        self._failed = failed
        self._pool = Pool(
            parts.hostname,
            parts.port or (443 if tls else 80),
            tls,
            PoolLimits(
                max_connections=max_connections,
                share=share,
                queue_timeout=queue_timeout,
                connect_timeout=connect_timeout,
                idle_timeout=idle_timeout,
            ),
        )
        self._active: set[Transfer] = set()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        refusal: Refusal | None = None,
        failed: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """That of HOKUSAI_MLFLOW_URL. Raises StartupError for certificates that cannot be read."""
        assert settings.mlflow_url is not None
        try:
            return cls(
                settings.mlflow_url,
                max_connections=settings.upstream_connections,
                share=settings.upstream_tenant_share,
                queue_timeout=settings.upstream_pool_timeout,
                connect_timeout=settings.connect_timeout,
                read_timeout=settings.upstream_read_timeout,
                body_timeout=settings.body_timeout,
                ca_file=settings.mlflow_ca_file,
                max_body=settings.max_upload,
                refusal=refusal,
                failed=failed,
            )
        except OSError as error:
            raise StartupError(
                f"HOKUSAI_MLFLOW_CA_FILE: cannot read certificates in PEM from "
                f"{settings.mlflow_ca_file}: {error.strerror or error}"
            ) from None

    async def forward(
        self,
        request: UpstreamRequest,
        receive: Receive,
        send: Send,
        zero_copy: ZeroCopyChannel | None = None,
    ) -> None:
        """Send the request on, and the answer back, both as they come.

        bypass: of the client's connection; large bodies take it where they can (see splice.py).

        Returns when the answer is with the client, or when the client has left (then nothing more
        is sent). Raises before `http.response.start`, to be rendered: UpstreamError and its kinds
        (502, 504), UpstreamBusyError (503), SlowRequestError and MalformedRequestError (400),
        BodyTooLargeError (413). Raised after it, the same errors must go through to the server,
        which cuts the connection, so that a broken answer does not look whole. ValueError: the
        request could not be written as one; see `encode_head`.

        While MLflow takes no more of an upload nothing is read from the client either, so that a
        client that leaves just then is noticed when MLflow goes on, or after `read_timeout`; at
        once where the body is spliced.
        """
        loop = asyncio.get_running_loop()
        transfer = self._begin(loop, request, self.encode(request), receive)
        transfer.zero_copy = zero_copy
        await self._run(transfer, send)

    def encode(self, request: UpstreamRequest) -> bytes:
        """The head for `begin`. Raises ValueError; see `encode_head`."""
        return encode_head(request, self._host, self._prefix)

    def begin(self, request: UpstreamRequest, head: bytes) -> Transfer:
        """Begin what `forward` does, for a request whose body is in memory, without a task.

        head: what `encode` gave. The transfer's own `begin` sends it; either `end` or `proceed`
        follows, whatever has become of it.
        """
        return self._begin(asyncio.get_running_loop(), request, head, None)

    async def proceed(
        self,
        transfer: Transfer,
        receive: Receive,
        send: Send,
        zero_copy: ZeroCopyChannel | None = None,
    ) -> None:
        """The rest of `forward` for what `begin` began."""
        transfer.watch(receive)
        transfer.zero_copy = zero_copy
        await self._run(transfer, send)

    def end(self, transfer: Transfer) -> None:
        """Give up what a transfer holds; a connection whose answer is not whole is cut."""
        self._active.discard(transfer)
        transfer.finish()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The transport of an `httpx.AsyncClient`: the same pool, limits, timeouts and errors.

        Timeouts are the pool's, not the client's. Cookies do not come through (see headers.py).
        Raises as `forward` does, and ValueError for a URL of another origin.
        """
        url = request.url
        if (url.scheme, url.host, url.port) != (
            self._origin.scheme,
            self._origin.host,
            self._origin.port,
        ):
            raise ValueError(f"not a URL of the upstream: {str(url)!r}")
        outbound, receive = await _outbound(request)
        head = encode_head(outbound, self._host)
        transfer = self._begin(asyncio.get_running_loop(), outbound, head, receive)
        try:
            conn = await self._answer(transfer)
        except BaseException as error:
            self.end(transfer)
            if isinstance(error, UpstreamError | UpstreamBusyError):
                self._failed(error.reason)
            raise
        return httpx.Response(
            conn.answer.status,
            headers=conn.answer.passed,
            stream=_AnswerStream(self, transfer, conn),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def usage(self) -> PoolUsage:
        """What is in use of the connections just now."""
        return self._pool.usage()

    async def aclose(self) -> None:
        """Close all connections; requests in flight fail with an UpstreamError."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._pool.aclose()

    # --- the way of a request ---

    def _begin(
        self,
        loop: asyncio.AbstractEventLoop,
        request: UpstreamRequest,
        head: bytes,
        receive: Receive | None,
    ) -> Transfer:
        transfer = Transfer(
            loop, self._pool, request, head, receive, self._body_gap, self._max_body
        )
        self._active.add(transfer)
        if self._timer is None:
            self._timer = loop.call_later(TICK, self._tick)
        return transfer

    async def _run(self, transfer: Transfer, send: Send) -> None:
        try:
            conn = await self._answer(transfer)
            await self._relay(transfer, conn, send)
        except ClientGoneError:
            return
        except (UpstreamError, UpstreamBusyError) as error:
            self._failed(error.reason)
            raise
        finally:
            self.end(transfer)

    async def _answer(self, transfer: Transfer) -> Connection:
        """The connection with the head of the answer on it."""
        request = transfer.request
        if request.streams:
            conn = await transfer.upload()
            await conn.head()
            return conn
        conn = transfer.conn or await transfer.send(fresh=False)
        try:
            await conn.head()
        except StaleConnectionError:
            # The server closed it just when it was taken from the pool. That is no failure of the
            # request, unless the server might have seen it and may not see it twice.
            if not conn.used or request.body or request.method not in IDEMPOTENT:
                raise
            conn = await transfer.send(fresh=True)
            await conn.head()
        return conn

    async def _relay(self, transfer: Transfer, conn: Connection, send: Send) -> None:
        answer = conn.answer
        if answer.status >= 400 and self._refusal is not None:
            body = b""
            while len(body) < MAX_REFUSAL and (piece := await conn.read()):
                body += piece
            raise self._refusal(answer.status, answer.headers, body)
        start: Message = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": list(answer.passed),
        }
        if transfer.uploading:
            await self._relay_early(transfer, conn, send, start)
            return
        if conn.complete:
            body = conn.take()
            self.end(transfer)
            await send(start)
        else:
            await send(start)
            body = await conn.read()
            while not conn.complete:
                await self._pass_on(transfer, body, send)
                body = await conn.read()
            self.end(transfer)
        # The connection is another's by now: a client that does not read holds none for this.
        await send({"type": "http.response.body", "body": body})

    async def _relay_early(
        self, transfer: Transfer, conn: Connection, send: Send, start: Message
    ) -> None:
        """An answer that came before the end of the request's body, such as 413 or 401."""
        start["headers"].append((b"connection", b"close"))
        if conn.complete and conn.answer.length is None and conn.answer.status not in BODILESS:
            # So that the client knows the answer to be whole while the rest of its body is read.
            start["headers"].append((b"content-length", b"%d" % conn.buffered))
        await send(start)
        while body := await conn.read():
            await self._pass_on(transfer, body, send)
        if transfer.uploading:
            await transfer.discard_upload(LINGER)
        await send({"type": "http.response.body", "body": b""})

    async def _pass_on(self, transfer: Transfer, body: bytes, send: Send) -> None:
        """A piece of the answer, and what may be spliced after it."""
        spliced = transfer.prepare_answer(len(body))
        try:
            async with asyncio.timeout(self._read_timeout):
                await send({"type": "http.response.body", "body": body, "more_body": True})
                if spliced:
                    await transfer.flush_answer()
        except TimeoutError:
            raise SlowRequestError(UNREAD) from None
        if spliced:
            await transfer.splice_answer()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for transfer in list(self._active):
            transfer.check(now, self._read_timeout)
        self._pool.sweep(now)
        if self._active or not self._pool.empty:
            self._timer = loop.call_later(TICK, self._tick)
        else:
            self._timer = None


class _AnswerStream(httpx.AsyncByteStream):
    def __init__(self, upstream: UpstreamClient, transfer: Transfer, conn: Connection) -> None:
        self._upstream = upstream
        self._transfer = transfer
        self._conn = conn

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while body := await self._conn.read():
            yield body

    async def aclose(self) -> None:
        self._upstream.end(self._transfer)


async def _outbound(request: httpx.Request) -> tuple[UpstreamRequest, Receive | None]:
    """An httpx request as ours, and where its body comes from if it streams."""
    dropped = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    outbound = UpstreamRequest(
        method=request.method.encode("ascii"),
        target=cast("bytes", request.extensions.get("target", request.url.raw_path)),
        headers=[item for item in headers if item[0] not in dropped],
    )
    if isinstance(request.stream, httpx.ByteStream):
        outbound.body = await request.aread()
        return outbound, None
    length = request.headers.get("content-length")
    outbound.content_length = int(length) if length is not None else None
    outbound.chunked = length is None
    assert isinstance(request.stream, httpx.AsyncByteStream)
    chunks = aiter(request.stream)
    ended = asyncio.get_running_loop().create_future()

    async def receive() -> Message:
        async for chunk in chunks:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not ended.done():
            ended.set_result(None)
            return {"type": "http.request", "body": b"", "more_body": False}
        # An httpx client that leaves closes the answer; it sends no message.
        await asyncio.get_running_loop().create_future()
        return {"type": "http.disconnect"}

    return outbound, receive
