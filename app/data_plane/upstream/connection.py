"""One connection to the upstream, and the framing of the answer that is on it (RFC 9112).

Longer than most files here: framing, flow control and the end of a connection change the same few
fields in one callback each, and apart they would have to call each other for every read.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.core.errors import GatewayError, UpstreamProtocolError
from app.data_plane.upstream.response_head import BODILESS, NOTHING, ResponseHead, read_answer

MAX_HEAD = 64 * 1024
# A body up to this size is handed over with its head: one wake-up, and if the upstream breaks off
# in the middle, the client still gets a proper error.
WHOLE_BODY = 64 * 1024
# What the event loop reads at once, at most.
ONE_READ = 256 * 1024
# Reading stops when this much of a body waits for the client. One read may come on top.
READ_AHEAD = 64 * 1024
# Writing waits when this much of a body waits for the upstream.
WRITE_AHEAD = 128 * 1024

_BARE_LF = re.compile(rb"(?<!\r)\n")


class StaleConnectionError(UpstreamProtocolError):
    """A connection from the pool was dead before the first byte of the answer."""


# What the next bytes are. Plain numbers: a look-up of an enum's member costs more than to compare,
# and this happens for each header.
_NOTHING: Final = 0  # between two answers: any byte is one too many
_HEAD: Final = 1
_LENGTH: Final = 2
_CHUNKS: Final = 3
_UNTIL_CLOSE: Final = 4


class Connection(asyncio.Protocol):
    """Sends a request and reads its answer, one at a time.

    After `head()`: `answer`, `complete` when the whole body is here, and `buffered`, the bytes of
    it that nobody has taken. `keep`: the connection may carry another request. `touched`: the
    loop's time of the last byte that moved. `holder`: the pool's note of whose it is.
    """

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_failure",
        "_head",
        "_heard",
        "_listener",
        "_lost",
        "_overhead",
        "_parser",
        "_paused",
        "_reading",
        "_remaining",
        "_surplus",
        "_waiter",
        "_writable",
        "answer",
        "answered",
        "buffered",
        "closed",
        "complete",
        "holder",
        "keep",
        "loop",
        "touched",
        "transport",
        "unsent",
        "used",
    )

    transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lost: Callable[["Connection"], None]
    ) -> None:
        """lost: told once when the connection is of no more use, by itself or by the peer."""
        self.loop = loop
        self._lost = lost
        self._reading = _NOTHING
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Callable[[], None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._parser: HttpResponseParser | None = None
        self._failure: Exception | None = None
        self._head = bytearray()
        self._chunks: list[bytes] = []
        self.buffered = 0
        self._remaining = 0
        self._overhead = 0
        self._paused = self._bodiless = self._heard = self._surplus = False
        self.answered = self.complete = self.keep = self.closed = self.used = False
        self.answer: ResponseHead = NOTHING
        self.touched = loop.time()
        self.unsent = 0
        self.holder: str | None = None

    # --- what the pool and a transfer use ---

    def start(
        self, data: bytes, *, bodiless: bool, listener: Callable[[], None] | None = None
    ) -> None:
        """Begin a request: its head, or its head and the first of its body.

        bodiless: the answer has no body whatever it says (HEAD). listener: called once, when
        `head()` would return or raise; it must not raise itself.
        """
        self._listener = listener
        self._reading = _HEAD
        self._bodiless = bodiless
        self._heard = False
        self.answered = self.complete = self.keep = False
        self._overhead = 0
        self.touched = self.loop.time()
        if not self.closed:
            self.transport.write(data)

    def write(self, *pieces: bytes) -> None:
        """More of the request's body. Wait for `drain` after it."""
        if not self.closed:
            self.touched = self.loop.time()
            self.transport.writelines(pieces)

    async def drain(self) -> None:
        """Wait until the upstream has taken enough of what was written, or has gone."""
        if self._writable is not None:
            await self._writable

    async def head(self) -> None:
        """Wait for the head of the answer.

        Raises UpstreamProtocolError (StaleConnectionError), or what `fail` was given.
        """
        if self._failure is not None:
            raise self._failure
        while not self.answered:
            await self._more()

    def unheard(self) -> None:
        """Call no listener any more."""
        self._listener = None

    async def read(self) -> bytes:
        """The next piece of the body as it came, never decoded; b"" when it is whole.

        Raises UpstreamProtocolError when it ends short or long, or what `fail` was given.
        """
        while not self._chunks:
            if self.complete:
                return b""
            await self._more()
        return self.take()

    def take(self) -> bytes:
        """What is here of the body."""
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered = 0
        if self._paused:
            self._paused = False
            self.touched = self.loop.time()
            if not self.closed:
                self.transport.resume_reading()
        return body

    @property
    def remaining(self) -> int:
        """Bytes that are still to come of a body whose length is known; 0 for any other."""
        return self._remaining if self._reading == _LENGTH else 0

    def hold(self) -> None:
        """Leave what is still to come of the body in the socket, until `skip`."""
        self._paused = True
        self.transport.pause_reading()

    def skip(self, size: int) -> None:
        """Read on, after so many bytes that went another way."""
        self._remaining -= size
        self.touched = self.loop.time()
        self._paused = False
        if not self.closed:
            self.transport.resume_reading()

    async def flush(self) -> None:
        """Wait until all that was written is with the socket, or the upstream has gone."""
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=0)
            await self.drain()
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=WRITE_AHEAD)

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for the upstream now."""
        return self._waiter is not None or self._listener is not None

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the answer is whole, the request all gone."""
        return (
            self.complete
            and self.keep
            and not self.closed
            and not self._surplus
            and self._writable is None
            and self.transport.get_write_buffer_size() == 0
        )

    def fail(self, error: Exception) -> None:
        """Cut the connection. Whoever waits for the answer gets the error."""
        if self._failure is None and not self.complete:
            self._failure = error
        self.abort()

    def abort(self) -> None:
        self.keep = False
        if not self.closed:
            self.closed = True
            self.transport.abort()
            self._lost(self)
        self._wake()

    def rest(self) -> None:
        """Forget the answer, and be ready for another request."""
        self._reading = _NOTHING
        self._parser = None
        self.used = True
        if self._chunks:
            self.take()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_AHEAD)

    def data_received(self, data: bytes) -> None:
        self.touched = self.loop.time()
        try:
            reading = self._reading
            if reading == _HEAD:
                self._read_head(data)
            elif reading == _LENGTH:
                self._read_length(data)
            elif reading == _CHUNKS:
                self._read_chunks(data)
            elif reading == _UNTIL_CLOSE:
                self._append(data)
            else:
                self._surplus = True
                self.abort()
        except UpstreamProtocolError as error:
            self.fail(error)
            return
        if not self.answered:
            # Nobody takes anything before, and what is still to come is little.
            return
        if self.buffered > READ_AHEAD and not self._paused and not self.complete:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        if self._reading == _UNTIL_CLOSE:
            self._finish()
            self._wake()
        elif self._reading == _NOTHING:
            self.abort()
        else:
            self.fail(self._broken_off(None))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._failure is None and not self.complete:
            self._failure = self._broken_off(exc)
        self.keep = False
        if not self.closed:
            self.closed = True
            self._lost(self)
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        self.touched = self.loop.time()
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    # --- httptools; what it finds of trailers nobody may take for headers ---

    def on_message_begin(self) -> None:
        self._surplus = self._surplus or self.complete

    def on_chunk_header(self) -> None:
        self._overhead = 0

    def on_body(self, body: bytes) -> None:
        self._overhead = 0
        self._append(body)

    def on_message_complete(self) -> None:
        if self._reading == _CHUNKS:
            self._finish()

    # --- reading ---

    def _read_head(self, data: bytes) -> None:
        self._heard = True
        seen = len(self._head)
        buffer: bytes | bytearray = data
        if seen:
            self._head += data
            buffer = self._head
        while True:
            end = buffer.find(b"\r\n\r\n", max(0, seen - 3), MAX_HEAD) + 4
            if end < 4:
                if len(buffer) >= MAX_HEAD:
                    raise UpstreamProtocolError("The head of MLflow's answer is too large.")
                if _BARE_LF.search(buffer, seen):
                    raise UpstreamProtocolError("MLflow's answer is not HTTP/1.1.")
                if buffer is not self._head:
                    self._head[:] = buffer
                return
            head = bytes(buffer[:end])
            rest = bytes(buffer[end:])
            self.answer = read_answer(head)
            self._head.clear()
            if self.answer.status >= 200:
                self._begin_body(head, rest)
                return
            # A 1xx answer is for this connection alone. They do not go on for ever.
            self._overhead += end
            if self._overhead > MAX_HEAD:
                raise UpstreamProtocolError("MLflow sent too many 1xx answers.")
            if not rest:
                return
            buffer, seen = rest, 0

    def _begin_body(self, head: bytes, data: bytes) -> None:
        answer = self.answer
        self.keep = answer.keep
        self._reading = _LENGTH
        if self._bodiless or answer.status in BODILESS:
            self._remaining = 0
            self._read_length(data)
        elif answer.length is not None:
            self._remaining = answer.length
            self._read_length(data)
        elif answer.chunked:
            self._reading = _CHUNKS
            self._parser = HttpResponseParser(self)
            self._overhead = 0
            self._read_chunks(head)
            self._read_chunks(data)
        else:
            self._reading = _UNTIL_CLOSE
            self.keep = False
            self._append(data)
        self.answered = self.complete or self._reading != _LENGTH or self._remaining > WHOLE_BODY

    def _read_length(self, data: bytes) -> None:
        # The parser is not asked any more: what the socket gave is what goes on.
        remaining = self._remaining - len(data)
        if remaining < 0:
            raise UpstreamProtocolError("MLflow sent more than its Content-Length.")
        self._remaining = remaining
        self._append(data)
        if not remaining:
            self._finish()
            self.answered = True

    def _read_chunks(self, data: bytes) -> None:
        assert self._parser is not None
        if not data:
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise UpstreamProtocolError("The chunks of MLflow's answer are malformed.") from error
        if self._surplus:
            raise UpstreamProtocolError("MLflow sent more than its answer.")
        # Chunk extensions and trailers are not counted by anybody else. The newest read is counted
        # whole, although it may be nothing but body.
        self._overhead += len(data)
        if self._overhead > 2 * MAX_HEAD + ONE_READ and not self.complete:
            raise UpstreamProtocolError("MLflow's answer has too much between its chunks.")

    def _append(self, data: bytes) -> None:
        if data:
            self._chunks.append(data)
            self.buffered += len(data)

    def _finish(self) -> None:
        self.complete = True
        self._reading = _NOTHING

    def _broken_off(self, exc: Exception | None) -> GatewayError:
        if self._reading == _HEAD:
            if not self._heard:
                return StaleConnectionError("MLflow closed the connection before it answered.")
            return UpstreamProtocolError("MLflow closed the connection inside its answer's head.")
        error = UpstreamProtocolError("MLflow closed the connection in the middle of its answer.")
        error.__cause__ = exc
        return error

    # --- waiting ---

    async def _more(self) -> None:
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
        listener, self._listener = self._listener, None
        if listener is not None:
            listener()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
