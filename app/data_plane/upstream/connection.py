"""One connection to the upstream: sends requests, and waits for their responses."""

import asyncio
from collections.abc import Callable
from typing import cast

from app.core.errors import UpstreamProtocolError
from app.data_plane.upstream.response_reader import (
    BODY_OF_LENGTH,
    BODY_UNTIL_CLOSE,
    CHUNKED_BODY,
    HEAD,
    NOTHING,
    ResponseReader,
)

# Reading stops while this many bytes of a body wait for the client. One read may come on top.
READ_AHEAD = 64 * 1024
# Writing waits while this many bytes of a body wait for the upstream.
WRITE_AHEAD = 128 * 1024


class Connection(ResponseReader, asyncio.Protocol):
    """Sends one request at a time and reads its response.

    last_activity: the event loop's time of the last byte in either direction. owner: the caller on
    whose share of connections the pool counts it. unsent: bytes in the write buffer when timeouts
    were checked last. used: it has carried a request before.
    """

    __slots__ = (
        "_failure",
        "_on_lost",
        "_on_response",
        "_paused",
        "_waiter",
        "_writable",
        "closed",
        "last_activity",
        "loop",
        "owner",
        "transport",
        "unsent",
        "used",
    )

    transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_lost: Callable[["Connection"], None]
    ) -> None:
        """on_lost: called once, when either side has closed the connection."""
        super().__init__()
        self.loop = loop
        self._on_lost = on_lost
        self._waiter: asyncio.Future[None] | None = None
        self._on_response: Callable[[], None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._paused = self.closed = self.used = False
        self.last_activity = loop.time()
        self.unsent = 0
        self.owner: str | None = None

    # --- what the pool and a transfer use ---

    def send_request(
        self, data: bytes, *, bodiless: bool, on_response: Callable[[], None] | None = None
    ) -> None:
        """Start a request. data: its head, or the head and the beginning of the body.

        bodiless: the response has no body, whatever its headers say (HEAD). on_response: called
        once, when `wait_for_head` would return or raise; it must not raise.
        """
        self._on_response = on_response
        self._reading = HEAD
        self._bodiless = bodiless
        self._head_started = False
        self.head_ready = self.complete = self.keep_alive = False
        self._overhead = 0
        self.last_activity = self.loop.time()
        if not self.closed:
            self.transport.write(data)

    def write(self, *pieces: bytes) -> None:
        """Send more of the request's body. To be followed by `drain`."""
        if not self.closed:
            self.last_activity = self.loop.time()
            self.transport.writelines(pieces)

    async def drain(self) -> None:
        """Wait until the write buffer has room again, or the connection has ended."""
        if self._writable is not None:
            await self._writable

    async def flush(self) -> None:
        """Wait until the write buffer is empty, or the connection has ended."""
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=0)
            await self.drain()
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=WRITE_AHEAD)

    async def wait_for_head(self) -> None:
        """Wait for `head_ready`.

        Raises UpstreamProtocolError (StaleConnectionError among them), or the error of `fail`.
        """
        if self._failure is not None:
            raise self._failure
        while not self.head_ready:
            await self._wait_for_data()

    def drop_callback(self) -> None:
        """Do not call `on_response` any more."""
        self._on_response = None

    async def read(self) -> bytes:
        """The next piece of the body as it was received, never decoded; b"" at its end.

        Raises UpstreamProtocolError for a body that is too short or too long, or the error of
        `fail`.
        """
        while not self._chunks:
            if self.complete:
                return b""
            await self._wait_for_data()
        return self.take_buffered()

    def take_buffered(self) -> bytes:
        """The bytes of the body that have been received and not been taken yet."""
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered = 0
        if self._paused:
            self._paused = False
            self.last_activity = self.loop.time()
            if not self.closed:
                self.transport.resume_reading()
        return body

    def hold_body(self) -> None:
        """Leave the rest of the body in the socket until `skip_body`."""
        self._paused = True
        self.transport.pause_reading()

    def skip_body(self, size: int) -> None:
        """Read on after `hold_body`. size: bytes that a splice has read from the socket."""
        self._remaining -= size
        self.last_activity = self.loop.time()
        self._paused = False
        if not self.closed:
            self.transport.resume_reading()

    @property
    def has_waiter(self) -> bool:
        """Whether anything waits for the upstream at present."""
        return self._waiter is not None or self._on_response is not None

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: response complete, request sent in full."""
        return (
            self.complete
            and self.keep_alive
            and not self.closed
            and not self._surplus
            and self._writable is None
            and self.transport.get_write_buffer_size() == 0
        )

    def fail(self, error: Exception) -> None:
        """Close the connection at once, and raise the error where the response is awaited."""
        if self._failure is None and not self.complete:
            self._failure = error
        self.abort()

    def abort(self) -> None:
        """Close the connection at once, without sending what is in the write buffer."""
        self.keep_alive = False
        if not self.closed:
            self.closed = True
            self.transport.abort()
            self._on_lost(self)
        self._wake()

    def reset(self) -> None:
        """Forget the response, and be ready for another request."""
        self._reading = NOTHING
        self._parser = None
        self.used = True
        if self._chunks:
            self.take_buffered()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are not subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_AHEAD)

    def data_received(self, data: bytes) -> None:
        self.last_activity = self.loop.time()
        try:
            reading = self._reading
            if reading == HEAD:
                self._read_head(data)
            elif reading == BODY_OF_LENGTH:
                self._read_length(data)
            elif reading == CHUNKED_BODY:
                self._read_chunks(data)
            elif reading == BODY_UNTIL_CLOSE:
                self._append(data)
            else:
                self._surplus = True
                self.abort()
        except UpstreamProtocolError as error:
            self.fail(error)
            return
        if not self.head_ready:
            # Nothing is taken before, and what is still to come is at most WHOLE_BODY bytes.
            return
        if self.buffered > READ_AHEAD and not self._paused and not self.complete:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        if self._reading == BODY_UNTIL_CLOSE:
            self._finish()
            self._wake()
        elif self._reading == NOTHING:
            self.abort()
        else:
            self.fail(self._truncation_error(None))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._failure is None and not self.complete:
            self._failure = self._truncation_error(exc)
        self.keep_alive = False
        if not self.closed:
            self.closed = True
            self._on_lost(self)
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        self.last_activity = self.loop.time()
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    # --- waiting ---

    async def _wait_for_data(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = waiter = self.loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None
        if self._failure is not None:
            raise self._failure

    def _wake(self) -> None:
        on_response, self._on_response = self._on_response, None
        if on_response is not None:
            on_response()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
