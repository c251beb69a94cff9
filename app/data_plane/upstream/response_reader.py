"""The framing of an upstream's responses (RFC 9112, sections 6 and 7), without input or output."""

import re
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.core.errors import GatewayError, UpstreamProtocolError
from app.data_plane.upstream.response_head import (
    EMPTY_HEAD,
    STATUSES_WITHOUT_BODY,
    ResponseHead,
    parse_response_head,
)

# Bytes that the head of a response may have.
MAX_HEAD = 64 * 1024
# A body of up to this many bytes is passed on together with its head: one wake-up, and if the
# upstream fails in the middle, the client still gets a proper error.
WHOLE_BODY = 64 * 1024
# The most bytes that the event loop passes on at once.
ONE_READ = 256 * 1024

# What the next bytes belong to. Plain numbers, because looking up an enum's member costs more than
# the comparison.
NOTHING: Final = 0  # between two responses: any byte is one too many
HEAD: Final = 1
BODY_OF_LENGTH: Final = 2
CHUNKED_BODY: Final = 3
BODY_UNTIL_CLOSE: Final = 4

_BARE_LF = re.compile(rb"(?<!\r)\n")


class StaleConnectionError(UpstreamProtocolError):
    """The upstream closed a pooled connection before the first byte of the response."""


class ResponseReader:
    """Separates the bytes that arrive on a connection into heads and bodies.

    `Connection` inherits from it instead of owning one: a call between the two would be paid for
    every read.

    response: the head; before it has arrived, that of an earlier response. complete: the whole body
    has been received. head_ready: the head has been received, and with it the whole body if it has
    at most WHOLE_BODY bytes. buffered: bytes of the body that nobody has taken yet. keep_alive: the
    connection may carry another request after this response.
    """

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_head",
        "_head_started",
        "_overhead",
        "_parser",
        "_reading",
        "_remaining",
        "_surplus",
        "buffered",
        "complete",
        "head_ready",
        "keep_alive",
        "response",
    )

    def __init__(self) -> None:
        self._reading = NOTHING
        self._parser: HttpResponseParser | None = None
        self._head = bytearray()
        self._chunks: list[bytes] = []
        self._remaining = 0
        # Bytes since the last piece of a body: interim responses, chunk extensions, trailers.
        self._overhead = 0
        self._bodiless = self._head_started = self._surplus = False
        self.buffered = 0
        self.head_ready = self.complete = self.keep_alive = False
        self.response: ResponseHead = EMPTY_HEAD

    @property
    def remaining(self) -> int:
        """Bytes still to come of a body whose length is known; 0 for any other."""
        return self._remaining if self._reading == BODY_OF_LENGTH else 0

    # --- for each state, what is done with the bytes that arrive ---

    def _read_head(self, data: bytes) -> None:
        self._head_started = True
        seen = len(self._head)
        buffer: bytes | bytearray = data
        if seen:
            self._head += data
            buffer = self._head
        while True:
            end = buffer.find(b"\r\n\r\n", max(0, seen - 3), MAX_HEAD) + 4
            if end < 4:
                if len(buffer) >= MAX_HEAD:
                    raise UpstreamProtocolError("The head of MLflow's response is too large.")
                if _BARE_LF.search(buffer, seen):
                    raise UpstreamProtocolError("MLflow's response is not valid HTTP/1.1.")
                if buffer is not self._head:
                    self._head[:] = buffer
                return
            head = bytes(buffer[:end])
            rest = bytes(buffer[end:])
            self.response = parse_response_head(head)
            self._head.clear()
            if self.response.status >= 200:
                self._start_body(head, rest)
                return
            # An interim (1xx) response is not forwarded. Their number is bounded.
            self._overhead += end
            if self._overhead > MAX_HEAD:
                raise UpstreamProtocolError("MLflow sent too many 1xx responses.")
            if not rest:
                return
            buffer, seen = rest, 0

    def _start_body(self, head: bytes, data: bytes) -> None:
        """Choose the framing of the body. data: what has been received of it with the head."""
        response = self.response
        self.keep_alive = response.keep_alive
        self._reading = BODY_OF_LENGTH
        if self._bodiless or response.status in STATUSES_WITHOUT_BODY:
            self._remaining = 0
            self._read_length(data)
        elif response.length is not None:
            self._remaining = response.length
            self._read_length(data)
        elif response.chunked:
            self._reading = CHUNKED_BODY
            self._parser = HttpResponseParser(self)
            self._overhead = 0
            self._read_chunks(head)
            self._read_chunks(data)
        else:
            self._reading = BODY_UNTIL_CLOSE
            self.keep_alive = False
            self._append(data)
        self.head_ready = (
            self.complete or self._reading != BODY_OF_LENGTH or self._remaining > WHOLE_BODY
        )

    def _read_length(self, data: bytes) -> None:
        # Without the parser: such a body is forwarded exactly as the socket delivered it.
        remaining = self._remaining - len(data)
        if remaining < 0:
            raise UpstreamProtocolError("MLflow sent more bytes than its Content-Length.")
        self._remaining = remaining
        self._append(data)
        if not remaining:
            self._finish()
            self.head_ready = True

    def _read_chunks(self, data: bytes) -> None:
        assert self._parser is not None
        if not data:
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise UpstreamProtocolError("The chunks of MLflow's response are malformed.") from error
        if self._surplus:
            raise UpstreamProtocolError("MLflow sent more bytes than its response.")
        # A bound on chunk extensions and trailers, which the parser does not bound. The newest read
        # is counted in full, although it may consist of body only.
        self._overhead += len(data)
        if self._overhead > 2 * MAX_HEAD + ONE_READ and not self.complete:
            raise UpstreamProtocolError("MLflow's response has too many bytes between its chunks.")

    def _append(self, data: bytes) -> None:
        if data:
            self._chunks.append(data)
            self.buffered += len(data)

    def _finish(self) -> None:
        self.complete = True
        self._reading = NOTHING

    def _truncation_error(self, cause: Exception | None) -> GatewayError:
        """The error for a connection that ended before the response was complete."""
        if self._reading == HEAD:
            if not self._head_started:
                return StaleConnectionError("MLflow closed the connection before it responded.")
            return UpstreamProtocolError(
                "MLflow closed the connection within the head of its response."
            )
        error = UpstreamProtocolError("MLflow closed the connection in the middle of its response.")
        error.__cause__ = cause
        return error

    # --- callbacks of httptools, for chunked bodies; trailers are ignored ---

    def on_message_begin(self) -> None:
        self._surplus = self._surplus or self.complete

    def on_chunk_header(self) -> None:
        self._overhead = 0

    def on_body(self, body: bytes) -> None:
        self._overhead = 0
        self._append(body)

    def on_message_complete(self) -> None:
        if self._reading == CHUNKED_BODY:
            self._finish()
