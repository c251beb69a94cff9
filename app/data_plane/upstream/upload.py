"""A request's body that is streamed from the client to the upstream."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Receive

from app.core.errors import BodyTooLargeError, MalformedRequestError
from app.core.min_rate import MinimumDataRate
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.disconnect import ClientGoneError, wait_for_disconnect
from app.data_plane.upstream.interfaces import ZeroCopyChannel
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.spliced_bodies import SplicedUpload, hold_upload, splice_upload
from app.data_plane.upstream.timeouts import TransferLimits


class Upload:
    """Reads a body from the client, and writes it to the upstream at the pace of the slower one.

    opened: becomes the connection once the first piece of the body is on its way, so that a client
    that sends headers and then nothing occupies no connection. `fail` sets its error on it.
    """

    __slots__ = (
        "_channel",
        "_connect",
        "_discarding",
        "_finished",
        "_limits",
        "_loop",
        "_on_failure",
        "_rate",
        "_receive",
        "_receiving_since",
        "_request",
        "_spliced",
        "opened",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: UpstreamRequest,
        receive: Receive,
        channel: ZeroCopyChannel | None,
        limits: TransferLimits,
        *,
        connect: Callable[[], Awaitable[Connection]],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """receive: of ASGI, where the body comes from. channel: the client's connection, where a
        large body may be spliced. connect: sends the request's head on a connection from the pool.
        on_failure: called with the error that ended `run`.

        Raises BodyTooLargeError.
        """
        if (request.content_length or 0) > limits.max_body:
            raise _too_large(limits)
        self._loop = loop
        self._request = request
        self._receive = receive
        self._channel = channel
        self._limits = limits
        self._connect = connect
        self._on_failure = on_failure
        self._rate = MinimumDataRate(limits.body_timeout)
        self._receiving_since: float | None = None
        self._discarding = False
        self._spliced: SplicedUpload | None = None
        self._finished: asyncio.Future[None] = loop.create_future()
        self.opened: asyncio.Future[Connection] = loop.create_future()

    @property
    def active(self) -> bool:
        """Whether the client has more of its body to send."""
        return not self._finished.done()

    async def run(self) -> None:
        """Send the body, then wait for the client to leave; the caller cancels this in the end."""
        try:
            await self._send_body()
            self._finish()
            await wait_for_disconnect(self._receive)
        except Exception as error:
            self._on_failure(error)
        finally:
            self._finish()

    async def discard(self, seconds: float) -> None:
        """Read the rest of the body and forget it, until its end or for so many seconds.

        Closing a socket that holds unread bytes resets the connection, and the client might lose
        the response that it was about to read.
        """
        self._discarding = True
        if self._spliced is not None:
            self._spliced.discard()
        await asyncio.wait([self._finished], timeout=seconds)

    def check_timeouts(self, now: float) -> bool:
        """Whether the body is what the transfer waits for at present. now: the event loop's time.

        Raises SlowRequestError, UpstreamTimeoutError and ClientGoneError.
        """
        if self._spliced is not None and self._spliced.running:
            self._spliced.check_timeouts(now, self._limits, self._rate)
            return True
        if self._receiving_since is not None:
            self._limits.check_sender(now - self._receiving_since)
            return True
        return False

    def fail(self, error: Exception) -> None:
        """Raise the error to whatever waits for the body or for the connection."""
        if not self.opened.done():
            self.opened.set_exception(error)
        if self._spliced is not None:
            self._spliced.fail(error)

    def close_splice(self) -> None:
        """Give back what a spliced body holds. Calling it again does nothing."""
        spliced, self._spliced = self._spliced, None
        if spliced is not None:
            spliced.close()

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    async def _send_body(self) -> None:
        conn: Connection | None = None
        chunked, length = self._request.chunked, self._request.content_length or 0
        max_body = self._limits.max_body
        sent, more = 0, True
        channel = self._channel
        while more:
            chunk, more = await self._next_chunk()
            if self._discarding:
                continue
            sent += len(chunk)
            if chunked and sent > max_body:
                raise _too_large(self._limits)
            if not chunked and (sent > length or (sent < length and not more)):
                raise MalformedRequestError("The body is not as long as its Content-Length.")
            # Decided at once, while nothing more can have been read.
            held = channel is not None and hold_upload(channel, length - sent)
            if chunked and chunk:
                pieces = [b"%x\r\n" % len(chunk), chunk, b"\r\n"]
            else:
                pieces = [chunk] if chunk else []
            if chunked and not more:
                pieces.append(b"0\r\n\r\n")
            if conn is None:
                conn = await self._connect()
                if not self.opened.done():
                    self.opened.set_result(conn)
            if pieces:
                conn.write(*pieces)
                await conn.drain()
            if held and channel is not None:
                moved = await self._splice_rest(channel, conn, length - sent)
                if not moved:
                    channel = None  # it is not possible, as with an MLflow behind TLS
                sent += moved
        if conn is not None:
            # The upstream's read timeout starts here, however long the client took.
            conn.last_activity = self._loop.time()

    async def _splice_rest(self, channel: ZeroCopyChannel, conn: Connection, size: int) -> int:
        """Splice the rest of the body, `size` bytes; how many were moved."""
        self._spliced = spliced = splice_upload(channel, conn, size)
        if spliced is None:
            return 0
        if self._discarding:
            spliced.discard()
        try:
            moved = await spliced.run()
        finally:
            self.close_splice()
        if moved == size:
            channel.end_body()
        return moved

    async def _next_chunk(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether more follows."""
        self._receiving_since = since = self._loop.time()
        message = await self._receive()
        waited = self._loop.time() - since
        self._receiving_since = None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk, more = message.get("body", b""), message.get("more_body", False)
        if more:
            self._rate.record(len(chunk), waited)
        return chunk, more


def _too_large(limits: TransferLimits) -> BodyTooLargeError:
    return BodyTooLargeError(f"The request's body is larger than {limits.max_body} bytes.")
