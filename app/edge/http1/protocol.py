"""uvicorn's HTTP/1.1 protocol, made strict where the layers above cannot be.

By itself it drops the body of a request that asks for an upgrade and reads what follows as another
request, takes trailers for headers, sets no bound to a head in bytes or seconds, and resets the
connection under an answer that leaves a body unread. What is refused here is answered in the
gateway's one shape, and closes the connection.

Longer than most files here: what the base class calls back all changes the state of one connection.
"""

import asyncio
import secrets
from typing import Any, cast
from urllib.parse import unquote

import httptools
import structlog
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.core.errors import (
    GatewayError,
    HeadersTooLargeError,
    InternalError,
    MalformedRequestError,
    SlowRequestError,
    render,
)
from app.core.request.head import RequestHead, RequestLine
from app.edge.date_header import date_header
from app.edge.http1 import lingering_transport
from app.edge.http1.interfaces import FastPath, FastPathCycle
from app.edge.http1.lingering_transport import LingeringTransport
from app.edge.http1.zero_copy import ZeroCopyChannel
from app.edge.request_rules import MAX_HEAD, METHODS

log = structlog.get_logger()

# The longest time that the head of a request may take, in seconds.
HEAD_SECONDS = 10.0
# How many heads a connection remembers, and up to which size in bytes; a client sends few
# different ones, and seldom large ones.
MAX_HEADS = 16
MAX_REMEMBERED = 4096

_END = b"\r\n\r\n"
_METHODS = {method.encode("ascii"): method for method in METHODS}


class StrictProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Bytes that the parser has taken since it last made anything of them.
        self._pending = 0
        self._progress = False
        self._refusal: GatewayError | None = None
        self._lingering: LingeringTransport | None = None
        # The loop's time of the end of the last answer, until the client sends again.
        self._idle_since: float | None = None
        # Runs while the client takes nothing of what is written.
        self._unread_timer: asyncio.TimerHandle | None = None
        # What the application offers to whole requests below one prefix of paths, if anything.
        self._express: FastPath | None = getattr(self.app, "fast_path", None)
        # The body, so far, of a request that may turn out to be whole with this very read.
        self._held: bytes | None = None
        # What was found of heads that came before on this connection, by their bytes.
        self._heads: dict[bytes, RequestHead] = {}
        # This read, and whether the message under way began with its first byte.
        self._read = b""
        self._alone = False
        # Whether the short way has declined it already.
        self._declined = False
        # The request that is being answered; `cycle` is the last one that came.
        self._running: RequestResponseCycle | None = None
        if self._express is not None:
            self._express.connections = self.connections

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._running is not None and not self._running.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._lingering = LingeringTransport(transport, self)
        super().connection_made(self._lingering)  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_unread()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        assert self._lingering is not None
        self._lingering.lost()
        super().connection_lost(exc)
        # The base class tells only the last request, which may wait behind the one under way.
        self.pipeline.clear()
        # What is left of a connection waits for the garbage collector, and a key is in each head.
        self._heads.clear()
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._heads and self._take_again(data):
            return
        was_idle = self._idle_since is not None
        self._unset_keepalive_if_required()
        self._progress = False
        self._read = data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Only one without a body comes here unrefused. Such a wish may be ignored (RFC 9110,
            # section 7.8); what else came along with it is not read as anything.
            if self._refusal is None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._refusal = self._refusal or _what_is_wrong(error)
        self._read = b""
        self._declined = False
        if self._held is not None and self._refusal is None:
            self._take_ordinary_way()
        self._pending = 0 if self._progress else self._pending + len(data)
        if self._pending > MAX_HEAD:
            self._refusal = HeadersTooLargeError(
                f"The request's headers are larger than {MAX_HEAD} bytes."
            )
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif (self._in_head or (was_idle and not self._progress)) and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def pause_writing(self) -> None:
        """The buffer is full. Whoever waits for room in it holds a connection to MLflow as well."""
        super().pause_writing()
        self._end_unread()
        self._unread_timer = self.loop.call_later(
            lingering_transport.SEND_TIMEOUT, self.transport.abort
        )

    def resume_writing(self) -> None:
        self._end_unread()
        super().resume_writing()

    @property
    def running(self) -> RequestResponseCycle:
        """The request that is being answered."""
        assert self._running is not None
        return self._running

    def cut_unread(self, seconds: float) -> None:
        """The same for a body that does not pass through the buffer, and has stood still."""
        if seconds > lingering_transport.SEND_TIMEOUT:
            self.transport.abort()

    def send_held(self) -> None:
        """Write what waits for more to leave with it: nothing may pass it on another way."""
        assert self._lingering is not None
        self._lingering.flush()

    def _end_unread(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    # --- the silence between requests: a timer for each costs more than to look at the time ---

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            self.server_state.total_requests += 1
        else:
            self._go_on()

    def _go_on(self) -> None:
        """The next request, if it is here already, or the silence before it."""
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_at_silence(self.timeout_keep_alive)

    def _look_at_silence(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_at_silence(left)
        else:
            super().timeout_keep_alive_handler()

    # --- what the parser finds ---

    def on_message_begin(self) -> None:
        self._alone = not self._progress and not self._pending
        self._progress = self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer, which nobody here has a use for
        # As in the base class; calling that for each header costs more than doing it.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._progress = True
        if self._refusal is None:
            self._refusal = self._objection()
        if self._refusal is None:
            self._end_head()
            if self._express is not None and self._may_be_short(self._express.prefix):
                self._held = b""
                return
            cycle = self.cycle
            if cycle is not None and not isinstance(cycle, RequestResponseCycle):
                cycle.yield_way()
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._progress = True
        if self._held is not None:
            self._take_ordinary_way()  # where many small pieces cost no more than a few large ones

    def on_body(self, body: bytes) -> None:
        self._progress = True
        if self._held is not None:
            self._held += body
        elif self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        if self._held is not None:
            self._take_short_way()
        elif self._refusal is None:
            super().on_message_complete()

    # --- the short way, for requests that need nothing but this connection and the upstream's ---

    @property
    def stalled(self) -> bool:
        """Whether the client takes no more of what is written for now."""
        return self.flow.write_paused

    def _may_be_short(self, prefix: bytes) -> bool:
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

    def _take_short_way(self) -> None:
        assert self._express is not None
        assert self._held is not None
        method, url, body = self.parser.get_method(), self.url, self._held
        head = self._express.read(self.headers, self.client[0] if self.client else "")
        if head is None or not self._take(method.decode("ascii"), url, head, body):
            self._take_ordinary_way()
            super().on_message_complete()
            return
        self._held = None
        first = b"%b %b HTTP/1.1" % (method, url)
        end = self._read.find(_END) + len(_END)
        lines = self._read[len(first) : end]
        if len(lines) > MAX_REMEMBERED or head.key_digest is None:
            return  # without a key they are a wallet's, which signs each request anew
        if self._alone and self._read.startswith(first) and len(self._read) - end == len(body):
            if len(self._heads) == MAX_HEADS:
                self._heads.clear()
            self._heads[lines] = head

    def _take_again(self, data: bytes) -> bool:
        """Take the short way without the parser, where it would find nothing new.

        That is a read between two requests which is one whole request, with headers that have come
        before, byte for byte: only its first line is not known yet, and the rules look at that.
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
        assert self._express is not None
        if method is None or version != b"HTTP/1.1" or not url.startswith(self._express.prefix):
            return False
        if not self._take(method, url, head, data[end:]):
            self._declined = True
            return False
        self._idle_since = None
        return True

    def _take(self, method: str, url: bytes, head: RequestHead, body: bytes) -> bool:
        assert self._express is not None
        path, _, query = url.partition(b"?")
        line = RequestLine(method, path, query)
        cycle = self._express.take(self, line, head, body)
        if cycle is None:
            return False
        self.cycle = self._running = cast("RequestResponseCycle", cycle)
        return True

    def _take_ordinary_way(self) -> None:
        assert self._held is not None
        body, self._held = self._held, None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        cycle.scope["zero_copy"] = ZeroCopyChannel(self)  # type: ignore[typeddict-unknown-key]
        super()._start_asgi_task(cycle, app)

    def answer(self, data: bytes, *, close: bool) -> None:
        """Send the whole answer of the request that is under way."""
        assert self._lingering is not None
        if self._lingering.is_closing():
            self.server_state.total_requests += 1
            return
        self._lingering.write_whole(data)
        if close:
            self._lingering.close()
            self.server_state.total_requests += 1
        else:
            self._go_on()

    def hand_over(self, taken: FastPathCycle, app: ASGIApp) -> None:
        """Let an ASGI application see a request to its end, which has been read to its own."""
        line, context = taken.line, taken.context
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
            keep_alive=taken.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        cycle.message_event.set()
        if self.cycle is cast("RequestResponseCycle", taken):
            self.cycle = cycle
        self._start_asgi_task(cycle, app)

    # --- what speaks against a request ---

    def _objection(self) -> GatewayError | None:
        """What speaks against the request whose head is complete, before anybody acts on it."""
        if self.url[:1] != b"/" or b"#" in self.url:
            return MalformedRequestError(
                "The request's target must be a path that begins with /, without a fragment."
            )
        if self.parser.should_upgrade():
            headers = dict(self.headers)
            if headers.get(b"upgrade", b"").lower() == b"websocket":
                return MalformedRequestError("There are no websockets here.")
            if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
                return MalformedRequestError(
                    "A request with a body must not ask for an upgrade. This server speaks "
                    "HTTP/1.1 only."
                )
        return None

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse(SlowRequestError(f"The headers took more than {HEAD_SECONDS:g} seconds."))
        else:
            self.transport.close()  # nothing was asked

    def _refuse(self, error: GatewayError) -> None:
        """Answer, unless that would land inside or ahead of another answer, and close."""
        self._refusal = error
        in_body = not self._in_head
        self._end_head()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if in_body and cycle is not None and not cycle.response_started and not self.pipeline:
            # It is this request that broke off: the application is told that the client left.
            cycle.disconnected = True
            cycle.message_event.set()
        elif cycle is not None and not cycle.response_complete:
            self.transport.close()
            return
        request_id = secrets.token_hex(8)
        log.info("request.refused", request_id=request_id, reason=error.reason)
        self.transport.write(_answer(error, request_id))
        self.transport.linger()  # type: ignore[attr-defined]


def _what_is_wrong(error: httptools.HttpParserError) -> GatewayError:
    """Why the parser stopped: over what it read, or over a fault of ours in what it called."""
    cause = error.__context__
    # An undecodable path, or one that is no URL, is found by whom it calls and is the client's.
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeDecodeError):
        return MalformedRequestError("The request is not HTTP/1.1.")
    log.error("request.failed", exc_info=cause)
    return InternalError()


def _answer(error: GatewayError, request_id: str) -> bytes:
    headers, body = render(error, request_id, closes_connection=True)
    headers += [
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        date_header(),
    ]
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body])
