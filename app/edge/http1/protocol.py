"""uvicorn's HTTP/1.1 protocol, with the checks that later layers cannot make, and the fast path.

uvicorn's own protocol drops the body of a request that asks for an upgrade and reads what follows
as another request, takes trailers for headers, does not bound a head in bytes or seconds, and
resets the connection under a response that leaves a body unread. Whatever is refused here gets an
error in the gateway's one shape, and the connection is closed.

Longer than most files here: uvicorn calls one object for all that happens on a connection.
"""

import asyncio
import secrets
from typing import Any, NoReturn, cast
from urllib.parse import unquote

import httptools
import structlog
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.core.errors import (
    GatewayError,
    HeadersTooLargeError,
    MalformedRequestError,
    SlowRequestError,
    TooManyPipelinedError,
)
from app.core.request.head import RequestHead, RequestLine
from app.edge.http1 import lingering_transport
from app.edge.http1.interfaces import FastPath, FastPathCycle
from app.edge.http1.keep_alive import KeepAliveProtocol
from app.edge.http1.lingering_transport import LingeringTransport
from app.edge.http1.refusals import check_head, error_response, parse_error
from app.edge.http1.unread_data import UnreadData
from app.edge.http1.zero_copy import ZeroCopyChannel
from app.edge.request_rules import MAX_HEAD, METHODS
from app.telemetry.logged_clients import LoggedClients

log = structlog.get_logger()
_logged = LoggedClients()

# Seconds within which the head of a request has to be received.
HEAD_TIMEOUT = 10.0
# How many heads a connection remembers, and of how many bytes at most. A client sends few different
# ones, and large ones rarely.
MAX_HEADS = 16
MAX_REMEMBERED = 4096
# Requests that may wait behind the one that is being processed. Each takes a hundred times the
# memory of its bytes, and one read may have thousands of them.
MAX_PIPELINED = 32
# Chunks that a body may have of any size; with more, they must have so many bytes on average. A
# chunk takes a microsecond, so that a body of tiny ones would keep the event loop busy.
ANY_CHUNKS = 1000
MIN_CHUNK = 64

_END = b"\r\n\r\n"
_METHODS = {method.encode("ascii"): method for method in METHODS}


class StrictProtocol(KeepAliveProtocol):
    """One connection of a client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Bytes since the parser last found a part of a request in them, and whether it has found
        # one in the present read.
        self._pending = 0
        self._progress = False
        self._refusal: GatewayError | None = None
        self._lingering: LingeringTransport | None = None
        self._unread: UnreadData | None = None
        # What the application offers to fully received requests, if anything.
        self._fast_path: FastPath | None = getattr(self.app, "fast_path", None)
        # The body received so far of a request that may take the fast path; None for any other.
        self._held_body: bytes | None = None
        # Heads that this client has sent before, by their bytes.
        self._heads: dict[bytes, RequestHead] = {}
        # The present read, and whether the current request began with its first byte.
        self._read = b""
        self._starts_read = False
        # Whether the fast path has declined the current request already.
        self._declined = False
        # Of the body that is being received: how many chunks it has so far, and bytes.
        self._chunks = self._chunk_bytes = 0
        # The request that is being processed; `cycle` is the one that came last.
        self._running: RequestResponseCycle | None = None
        if self._fast_path is not None:
            self._fast_path.connections = self.connections

    @property
    def busy(self) -> bool:
        """Whether a request is being processed."""
        return self._running is not None and not self._running.response_complete

    @property
    def running(self) -> RequestResponseCycle:
        """The request that is being processed."""
        assert self._running is not None
        return self._running

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._lingering = LingeringTransport(transport, self)
        # What the application counts the memory of all connections with, if it does.
        self._unread = UnreadData(transport, getattr(self.app, "unread_responses", None), self.loop)
        super().connection_made(self._lingering)  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._on_head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        assert self._unread is not None
        self._unread.end()
        assert self._lingering is not None
        self._lingering.connection_lost()
        super().connection_lost(exc)
        # uvicorn notifies the last request only, which may be waiting behind the running one.
        self.pipeline.clear()
        # This object is freed by the garbage collector, and each head contains a key.
        self._heads.clear()
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._refusal is not None:
            return
        if self._heads and self._try_known_head(data):
            return
        was_idle = self._idle_since is not None
        self._unset_keepalive_if_required()
        self._progress = False
        self._read = data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Raised without a refusal for requests without a body only. The upgrade may be ignored
            # (RFC 9110, section 7.8); what was received after the request is not read.
            if self._refusal is None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            # Without the traceback, whose frames refer to this object: it would take the garbage
            # collector to free it.
            self._refusal = (self._refusal or parse_error(error)).with_traceback(None)
        self._read = b""
        self._declined = False
        if self._held_body is not None and self._refusal is None:
            self._fall_back()
        self._pending = 0 if self._progress else self._pending + len(data)
        if self._pending > MAX_HEAD:
            self._refusal = HeadersTooLargeError(
                f"The request's headers are larger than {MAX_HEAD} bytes."
            )
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif (self._in_head or (was_idle and not self._progress)) and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._on_head_timeout)

    # --- a client that does not read ---

    def pause_writing(self) -> None:
        """The write buffer is full. A request that waits for room occupies MLflow as well."""
        super().pause_writing()
        assert self._unread is not None
        self._unread.begin(self._running, self.client[0] if self.client else "")

    def resume_writing(self) -> None:
        assert self._unread is not None
        self._unread.end()
        super().resume_writing()

    def check_send_timeout(self, silent: float) -> None:
        """The same for a body that goes past the buffer. silent: seconds without a byte read."""
        if silent > lingering_transport.SEND_TIMEOUT:
            self.transport.abort()

    def flush_head(self) -> None:
        """Write a head that is held back, before its body goes past the transport."""
        assert self._lingering is not None
        self._lingering.flush()

    # --- callbacks of the parser ---

    def on_message_begin(self) -> None:
        self._starts_read = not self._progress and not self._pending
        self._progress = self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer; nothing here uses them
        # The same as in the base class, because calling it for each header costs more.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._progress = True
        if self._refusal is None:
            try:
                check_head(self.url, self.headers, upgrade=self.parser.should_upgrade())
            except GatewayError as error:
                self._refusal = error
        if self._refusal is None and len(self.pipeline) >= MAX_PIPELINED:
            self._stop(
                TooManyPipelinedError(
                    f"More than {MAX_PIPELINED} requests wait behind another one on this "
                    "connection. Wait for responses before sending more, and send this request "
                    "again.",
                    retry_after=1,
                )
            )
        if self._refusal is None:
            self._end_head()
            self._chunks = self._chunk_bytes = 0
            if self._fast_path is not None and self._fits_fast_path(self._fast_path.prefix):
                self._held_body = b""
                return
            cycle = self.cycle
            if cycle is not None and not isinstance(cycle, RequestResponseCycle):
                cast("FastPathCycle", cycle).hand_over()
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._progress = True
        # Of the chunks before this one.
        if self._chunks > ANY_CHUNKS and self._chunk_bytes < self._chunks * MIN_CHUNK:
            self._stop(
                MalformedRequestError(
                    f"The body has more than {ANY_CHUNKS} chunks of fewer than {MIN_CHUNK} bytes "
                    "on average. Send larger chunks, or the body with Content-Length."
                )
            )
        self._chunks += 1
        if self._held_body is not None:
            self._fall_back()  # there, many small chunks cost no more than a few large ones

    def on_body(self, body: bytes) -> None:
        self._progress = True
        self._chunk_bytes += len(body)
        if self._held_body is not None:
            self._held_body += body
        elif self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        if self._held_body is not None:
            self._try_fast_path()
        elif self._refusal is None:
            super().on_message_complete()

    # --- the fast path ---

    @property
    def write_paused(self) -> bool:
        """Whether the write buffer is full, because the client does not read."""
        return self.flow.write_paused

    def _fits_fast_path(self, prefix: bytes) -> bool:
        """Whether the request whose head is complete may be offered to the fast path."""
        parser, cycle = self.parser, self.cycle
        return (
            not self._declined
            and self.url.startswith(prefix)
            and (cycle is None or cycle.response_complete)
            and not self.expect_100_continue
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        )

    def _try_fast_path(self) -> None:
        """Offer a complete request to the fast path, and remember its head; or fall back."""
        assert self._fast_path is not None
        assert self._held_body is not None
        method, url, body = self.parser.get_method(), self.url, self._held_body
        head = self._fast_path.parse_head(self.headers, self.client[0] if self.client else "")
        if head is None or not self._try_handle(method.decode("ascii"), url, head, body):
            self._fall_back()
            super().on_message_complete()
            return
        self._held_body = None
        first = b"%b %b HTTP/1.1" % (method, url)
        end = self._read.find(_END) + len(_END)
        lines = self._read[len(first) : end]
        if len(lines) > MAX_REMEMBERED or head.key_digest is None:
            return  # without a key it is a wallet's, and each of its requests has a new signature
        alone = self._starts_read and len(self._read) - end == len(body)
        if alone and self._read.startswith(first):
            if len(self._heads) == MAX_HEADS:
                self._heads.clear()
            self._heads[lines] = head

    def _try_known_head(self, data: bytes) -> bool:
        """Offer a request to the fast path without the parser, which would find nothing new in it.

        That is a read that begins between two requests and is exactly one request, whose headers
        this client has sent before, byte for byte. Its first line and its body are checked as ever.
        """
        cycle = self.cycle
        if cycle.more_body or not cycle.response_complete or self._in_head or self._pending:
            return False
        line_end, end = data.find(b"\r"), data.find(_END) + len(_END)
        head = self._heads.get(data[line_end:end])
        if head is None or len(data) - end != head.length:
            return False
        name, _, rest = data[:line_end].partition(b" ")
        url, _, version = rest.partition(b" ")
        method = _METHODS.get(name)
        assert self._fast_path is not None
        if method is None or version != b"HTTP/1.1" or not url.startswith(self._fast_path.prefix):
            return False
        if not self._try_handle(method, url, head, data[end:]):
            self._declined = True
            return False
        self._idle_since = None
        return True

    def _try_handle(self, method: str, url: bytes, head: RequestHead, body: bytes) -> bool:
        assert self._fast_path is not None
        path, _, query = url.partition(b"?")
        line = RequestLine(method, path, query)
        cycle = self._fast_path.try_handle(self, line, head, body)
        if cycle is None:
            return False
        self.cycle = self._running = cast("RequestResponseCycle", cycle)
        return True

    def _fall_back(self) -> None:
        """Let uvicorn process the request whose body was held for the fast path."""
        assert self._held_body is not None
        body, self._held_body = self._held_body, None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        cycle.scope["zero_copy"] = ZeroCopyChannel(self)  # type: ignore[typeddict-unknown-key]
        super()._start_asgi_task(cycle, app)

    def respond(self, data: bytes, *, close: bool) -> None:
        """Send the complete response of the running request. close: the connection ends with it."""
        assert self._lingering is not None
        if self._lingering.is_closing():
            self.server_state.total_requests += 1
            return
        self._lingering.write_whole(data)
        if close:
            self._lingering.close()
            self.server_state.total_requests += 1
        else:
            self._next_request()

    def hand_over(self, replaced: FastPathCycle, app: ASGIApp) -> None:
        """Continue a fully received request as an ASGI request.

        replaced: the request on the fast path. app: continues it.
        """
        line, context = replaced.line, replaced.context
        scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "method": line.method,
            "path": unquote(line.path.decode("ascii")),
            "raw_path": line.path,
            "query_string": line.query,
            "headers": context.head.raw,
            "state": {},
            "context": context,
        }
        cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=replaced.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        cycle.message_event.set()
        if self.cycle is cast("RequestResponseCycle", replaced):
            self.cycle = cycle
        self._start_asgi_task(cycle, app)

    # --- refusals ---

    def _stop(self, error: GatewayError) -> NoReturn:
        """Refuse the request within a callback; what follows is not parsed any more."""
        self._refusal = error
        raise error

    def _next_request(self) -> None:
        super()._next_request()
        if self._refusal is not None and not self.busy:
            self._refuse(self._refusal)

    def _end_head(self) -> None:
        """Note that no head is being received."""
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        if self._in_head:
            self._refuse(
                SlowRequestError(
                    f"The request's headers were not received within {HEAD_TIMEOUT:g} seconds."
                )
            )
        else:
            self.transport.close()  # no request has begun

    def _refuse(self, error: GatewayError) -> None:
        """Close the connection, after an error response if no other response is in its way."""
        self._refusal = error
        in_body = not self._in_head
        self._end_head()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if self.pipeline and isinstance(error, TooManyPipelinedError):
            return  # once all that came before has its response: see `_next_request`
        if in_body and cycle is not None and not cycle.response_started and not self.pipeline:
            # The error is in the body of this very request: to the application its client has left.
            cycle.disconnected = True
            cycle.message_event.set()
        elif cycle is not None and not cycle.response_complete:
            self.transport.close()
            return
        request_id = secrets.token_hex(8)
        if _logged.is_first(self.client[0] if self.client else ""):
            log.info("request.refused", request_id=request_id, reason=error.reason)
        self.transport.write(error_response(error, request_id))
        self.transport.linger()  # type: ignore[attr-defined]
