"""The client of the upstream server (MLflow): one pool of connections, used in two ways.

`forward` serves the data plane: raw bytes from an ASGI client to MLflow and back, without an object
for each header, without decoding, and without a task for a request that is soon over.
`handle_async_request` makes the same client the transport of an `httpx.AsyncClient`, for what the
gateway itself requests from MLflow.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
from starlette.types import Message, Receive, Send

from app.core.errors import (
    MLflowRefusalError,
    StartupError,
    UpstreamBusyError,
    UpstreamError,
)
from app.core.settings import UNIX, Settings
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.disconnect import ClientGoneError
from app.data_plane.upstream.httpx_adapter import ResponseStream, from_httpx
from app.data_plane.upstream.interfaces import ZeroCopyChannel
from app.data_plane.upstream.pool import Address, Pool, PoolLimits, PoolUsage
from app.data_plane.upstream.request import IDEMPOTENT, UpstreamRequest, encode_head
from app.data_plane.upstream.response_head import STATUSES_WITHOUT_BODY
from app.data_plane.upstream.response_reader import StaleConnectionError
from app.data_plane.upstream.timeouts import TransferLimits, client_not_reading
from app.data_plane.upstream.transfer import Transfer

# Seconds between two checks of all timeouts: one timer instead of several for each request.
TICK = 0.1
# Seconds for which the rest of a request's body is read after MLflow has responded before its end.
LINGER = 2.0
# Bytes of a streamed body, unless the client is given another bound.
MAX_BODY = 50 * 1024**3
# Bytes of an error response that are read; MLflow's are far shorter.
MAX_ERROR_BODY = 64 * 1024

ErrorMapper = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], Exception]


def _ignore(_: str) -> None:
    pass


class UpstreamClient(httpx.AsyncBaseTransport):
    """A pooled HTTP/1.1 client for one server."""

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
        map_error: ErrorMapper | None = None,
        on_failure: Callable[[str], None] = _ignore,
    ) -> None:
        """All timeouts are in seconds.

        url: of the server, with a path if the server lives below one; or unix:// and the absolute
            path of its socket.
        max_connections: that may be open at a time.
        share: the part of them that one caller may hold; see `UpstreamRequest.caller`.
        queue_timeout: for which a request waits for a free connection.
        connect_timeout: for TCP and TLS together.
        read_timeout: for which the server may be silent, or a client read nothing of a response.
        body_timeout: for which a client may be silent within its request's body.
        idle_timeout: for which an unused connection is kept; less than the server's own.
        ca_file: certificates to trust instead of the system's, in PEM.
        max_body: bytes of a streamed body.
        map_error: makes the error that `forward` raises for a response with a status of 400 or
            more, from its status, headers and the first MAX_ERROR_BODY bytes of its body. Without
            it, such a response is forwarded unchanged.
        on_failure: called with the `reason` of each request that failed because of the server, or
            on the way to it.

        Raises ValueError for anything that is not a valid URL, and OSError for a `ca_file` that
        cannot be read.
        """
        socket_path = url.removeprefix(UNIX) if url.startswith(UNIX) else None
        # The origin of the server for httpx, and its name in the Host header.
        self.base_url = url if socket_path is None else "http://localhost"
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(f"not a valid http:// or https:// URL: {url!r}")
        tls = None
        if parts.scheme == "https":
            tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            tls.set_alpn_protocols(["http/1.1"])
        self._origin = httpx.URL(self.base_url)
        self._host = parts.netloc.encode("ascii")
        self._prefix = parts.path.rstrip("/").encode("ascii")
        self._limits = TransferLimits(read_timeout, body_timeout, max_body)
        self._map_error = map_error
        self._on_failure = on_failure
        self._pool = Pool(
            Address(parts.hostname, parts.port or (443 if tls else 80), tls, socket_path),
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
        map_error: ErrorMapper | None = None,
        on_failure: Callable[[str], None] = _ignore,
    ) -> Self:
        """The client of HOKUSAI_MLFLOW_URL.

        Raises StartupError for certificates that cannot be read.
        """
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
                map_error=map_error,
                on_failure=on_failure,
            )
        except OSError as error:
            raise StartupError(
                f"HOKUSAI_MLFLOW_CA_FILE: cannot read certificates in PEM from "
                f"{settings.mlflow_ca_file}: {error.strerror or error}"
            ) from None

    # --- for the data plane ---

    async def forward(
        self,
        request: UpstreamRequest,
        receive: Receive,
        send: Send,
        zero_copy: ZeroCopyChannel | None = None,
    ) -> None:
        """Send the request to the server and the response to the client, each while it arrives.

        receive, send: of ASGI. zero_copy: the client's connection; large bodies are spliced over it
        where that is possible.

        Returns when the response has been sent, or when the client has left (then nothing more is
        sent). Raises before `http.response.start`, to be rendered: UpstreamError and its kinds
        (502, 504), UpstreamBusyError (503), SlowRequestError and MalformedRequestError (400),
        BodyTooLargeError (413), and the errors of `map_error`. Raises the same errors after it;
        then the server has to cut the client's connection, so that an incomplete response does not
        look complete. Raises ValueError for a request that `encode_head` refuses.

        While MLflow accepts no more of an upload, nothing is read from the client either. A client
        that leaves just then is noticed when MLflow goes on, or after `read_timeout`; at once where
        the body is spliced.
        """
        loop = asyncio.get_running_loop()
        transfer = self._new_transfer(loop, request, self.encode(request), receive)
        transfer.channel = zero_copy
        await self._run(transfer, send)

    def encode(self, request: UpstreamRequest) -> bytes:
        """The head of a request for `new_transfer`. Raises ValueError; see `encode_head`."""
        return encode_head(request, self._host, self._prefix)

    def new_transfer(self, request: UpstreamRequest, head: bytes) -> Transfer:
        """What `forward` does, in steps and without a task, for a request with its body in memory.

        head: the result of `encode`. `Transfer.start` sends it. Afterwards call `release`, or
        `resume`, which does so itself.
        """
        return self._new_transfer(asyncio.get_running_loop(), request, head, None)

    async def resume(
        self,
        transfer: Transfer,
        receive: Receive,
        send: Send,
        zero_copy: ZeroCopyChannel | None = None,
    ) -> None:
        """The rest of `forward` for a transfer that `new_transfer` made."""
        transfer.watch(receive)
        transfer.channel = zero_copy
        await self._run(transfer, send)

    def release(self, transfer: Transfer) -> None:
        """End a transfer; its connection is closed unless the response is complete."""
        self._active.discard(transfer)
        transfer.release()

    # --- for httpx ---

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The transport of an `httpx.AsyncClient`: the same pool, limits, timeouts and errors.

        The timeouts are this client's, not those of httpx. Cookies are not passed on (see
        headers.py). Raises as `forward` does, and ValueError for a URL of another server.
        """
        url = request.url
        if (url.scheme, url.host, url.port) != (
            self._origin.scheme,
            self._origin.host,
            self._origin.port,
        ):
            raise ValueError(f"not a URL of the upstream server: {str(url)!r}")
        upstream_request, receive = await from_httpx(request)
        head = encode_head(upstream_request, self._host)
        transfer = self._new_transfer(asyncio.get_running_loop(), upstream_request, head, receive)
        try:
            conn = await self._wait_for_response(transfer)
        except BaseException as error:
            self.release(transfer)
            if isinstance(error, UpstreamError | UpstreamBusyError):
                self._on_failure(error.reason)
            raise
        return httpx.Response(
            conn.response.status,
            headers=conn.response.forwarded,
            stream=ResponseStream(conn, on_close=partial(self.release, transfer)),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def usage(self) -> PoolUsage:
        """How many connections are in use at present."""
        return self._pool.usage()

    async def aclose(self) -> None:
        """Close all connections; requests in flight fail with an UpstreamError."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._pool.aclose()

    # --- the steps of a request ---

    def _new_transfer(
        self,
        loop: asyncio.AbstractEventLoop,
        request: UpstreamRequest,
        head: bytes,
        receive: Receive | None,
    ) -> Transfer:
        transfer = Transfer(loop, self._pool, self._limits, request, head, receive)
        self._active.add(transfer)
        if self._timer is None:
            self._timer = loop.call_later(TICK, self._tick)
        return transfer

    async def _run(self, transfer: Transfer, send: Send) -> None:
        try:
            conn = await self._wait_for_response(transfer)
            await self._relay(transfer, conn, send)
        except ClientGoneError:
            return
        except MLflowRefusalError as refusal:
            after_refusal = transfer.request.after_refusal
            request = None if after_refusal is None else await after_refusal(refusal)
            if request is None:
                raise
        except (UpstreamError, UpstreamBusyError) as error:
            self._on_failure(error.reason)
            raise
        else:
            return
        finally:
            self.release(transfer)
        assert transfer.receive is not None
        await self.forward(request, transfer.receive, send)

    async def _wait_for_response(self, transfer: Transfer) -> Connection:
        """The connection, once the head of the response has been received on it."""
        request = transfer.request
        if request.streams:
            conn = await transfer.upload()
            await conn.wait_for_head()
            return conn
        conn = transfer.conn or await transfer.send(fresh=False)
        try:
            await conn.wait_for_head()
        except StaleConnectionError:
            # The server closed the pooled connection just when it was taken. Tried once more, but
            # not where the server might have acted on a request that must not be repeated.
            if not conn.used or request.body or request.method not in IDEMPOTENT:
                raise
            conn = await transfer.send(fresh=True)
            await conn.wait_for_head()
        return conn

    async def _relay(self, transfer: Transfer, conn: Connection, send: Send) -> None:
        """Send the response to the client."""
        response = conn.response
        if response.status >= 400 and self._map_error is not None:
            body = b""
            while len(body) < MAX_ERROR_BODY and (piece := await conn.read()):
                body += piece
            raise self._map_error(response.status, response.headers, body)
        start: Message = {
            "type": "http.response.start",
            "status": response.status,
            "headers": list(response.forwarded),
        }
        if transfer.uploading:
            await self._relay_early(transfer, conn, send, start)
            return
        if conn.complete:
            body = conn.take_buffered()
            self.release(transfer)
            await send(start)
        else:
            await send(start)
            body = await conn.read()
            while not conn.complete:
                await self._relay_chunk(transfer, conn, body, send)
                body = await conn.read()
            self.release(transfer)
        # Released before the end is sent: a client that reads slowly occupies no connection.
        await send({"type": "http.response.body", "body": body})

    async def _relay_early(
        self, transfer: Transfer, conn: Connection, send: Send, start: Message
    ) -> None:
        """Send a response that came before the end of the request's body, such as 413 or 401."""
        start["headers"].append((b"connection", b"close"))
        status, length = conn.response.status, conn.response.length
        if conn.complete and length is None and status not in STATUSES_WITHOUT_BODY:
            # So that the client sees the end of the response while its own body is being discarded.
            start["headers"].append((b"content-length", b"%d" % conn.buffered))
        await send(start)
        while body := await conn.read():
            await self._relay_chunk(transfer, conn, body, send)
        if transfer.uploading:
            await transfer.discard_upload(LINGER)
        await send({"type": "http.response.body", "body": b""})

    async def _relay_chunk(
        self, transfer: Transfer, conn: Connection, body: bytes, send: Send
    ) -> None:
        """Send a piece of the response, and splice what can be spliced after it."""
        spliced = transfer.prepare_splice(len(body))
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                await send({"type": "http.response.body", "body": body, "more_body": True})
                if spliced is not None:
                    await spliced.flush()
        except TimeoutError:
            raise client_not_reading() from None
        if spliced is not None:
            try:
                moved = await spliced.run()
            finally:
                transfer.finish_splice()
            conn.skip_body(moved)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for transfer in list(self._active):
            transfer.check_timeouts(now)
        self._pool.close_expired(now)
        if self._active or not self._pool.empty:
            self._timer = loop.call_later(TICK, self._tick)
        else:
            self._timer = None
