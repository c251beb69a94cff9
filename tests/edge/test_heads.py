"""The cache of parsed request heads: a repeated head is not parsed again, with the same result.

Two connections get the same bytes. One caches the heads of earlier requests; the cache of the other
is cleared before each read. For any bytes, both must forward, respond and close alike.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from app.access.identity.credentials import ADDRESS_HEADER
from app.core.errors import GatewayError
from app.core.request.head import RequestHead, RequestLine
from app.data_plane.fast_path import FastPath
from app.data_plane.proxy.path_policy import upstream_target
from app.edge.http1 import refusals
from app.edge.http1.protocol import MAX_HEADS, StrictProtocol
from app.edge.request_rules import RequestRules, check_line

RUNS = b"/api/mlflow/api/2.0/mlflow/runs/"
HEADERS = b"Host: gateway\r\nAuthorization: Bearer key\r\nAccept: */*\r\n"
GET = b"GET %bget?run_id=1 HTTP/1.1\r\n%b\r\n" % (RUNS, HEADERS)
BODY = b'{"a": 12}'
POST = b"POST %blog-metric HTTP/1.1\r\n%bContent-Length: 9\r\n\r\n%b" % (RUNS, HEADERS, BODY)
EMPTY = b"POST %bupdate HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n" % (RUNS, HEADERS)
VALID = (GET, POST, EMPTY)
# Inputs on which HTTP parsers are known to disagree, and the parts of requests.
TOKENS = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"\r\n\r\n", b"%00", b"#", b"\x80", b"//"),
    *(b"GET ", b"HEAD ", b"CONNECT ", b"get ", b" HTTP/1.0", b" HTTP/1.1", b" HTTP/2.0"),
    *(b"http://other", b"*", b"?", b"Content-Length: 9\r\n", b"Content-Length: 0\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    *(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"X-A: b\r\n", b" folded\r\n", *VALID),
)


class Transport:
    """Records what is written, and whether it is closed."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1234) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class FastPathStub:
    """Handles each request with a valid request line, and completes it at once."""

    prefix = FastPath.prefix
    parse_head = FastPath.parse_head

    def __init__(self) -> None:
        self.rules = RequestRules(None, ())  # type: ignore[arg-type]
        self.handled: list[Any] = []

    def try_handle(self, _: object, line: RequestLine, head: RequestHead, body: bytes) -> Any:
        try:
            check_line(line)
            upstream_target(line.path, line.query)
        except GatewayError:
            return None
        if ADDRESS_HEADER not in head.headers:
            head.key_digest = b"of a key"
        self.handled.append((line, head.raw, head.headers, head.length, body))
        return SimpleNamespace(
            response_started=True,
            response_complete=True,
            more_body=False,
            keep_alive=True,
            message_event=asyncio.Event(),
            hand_over=lambda: None,
        )


class RecordingProtocol(StrictProtocol):
    """A connection that records the requests for the ASGI path instead of running them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, uncached: bool) -> None:
        self.fast_path = FastPathStub()
        app = SimpleNamespace(fast_path=self.fast_path)
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
        )
        config.load()
        super().__init__(config, ServerState(), {}, loop)
        self.uncached = uncached
        self.asgi_cycles: list[RequestResponseCycle] = []
        self.socket = Transport()
        self.connection_made(self.socket)  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.asgi_cycles.append(cycle)

    def data_received(self, data: bytes) -> None:
        if self.uncached:
            self._heads.clear()
        super().data_received(data)

    @property
    def outcome(self) -> Any:
        """Everything observable; of a refusal's response only the first bytes."""
        asgi_requests = [
            (
                [cycle.scope[name] for name in ("method", "raw_path", "query_string", "headers")],
                bytes(cycle.body),
                cycle.more_body,
            )
            for cycle in self.asgi_cycles
        ]
        return self.fast_path.handled, asgi_requests, self.socket.written[:12], self.socket.closed


@contextmanager
def clients() -> Iterator[tuple[RecordingProtocol, RecordingProtocol]]:
    """One with a cache, after a few requests, and one without."""
    loop = asyncio.new_event_loop()
    both = RecordingProtocol(loop, uncached=False), RecordingProtocol(loop, uncached=True)
    try:
        for client in both:
            for request in VALID:
                client.data_received(request)
        yield both
    finally:
        for client in both:
            client.connection_lost(None)
        loop.close()


def test_a_cached_head_skips_the_parser() -> None:
    with clients() as (cached, _):
        cached.parser = None  # type: ignore[assignment] # any use of it would fail
        other = GET.replace(b"run_id=1", b"run_id=2")
        for request in (GET, POST, EMPTY, other, POST.replace(b"12", b"34")):
            cached.data_received(request)
        lines = [line for line, *_ in cached.fast_path.handled]
        assert lines[-2] == ("GET", RUNS + b"get", b"run_id=2")
        assert cached.fast_path.handled[-1][-1] == b'{"a": 34}'
        assert len(lines) == 8


def test_a_connection_caches_few_heads() -> None:
    with clients() as (cached, _):
        for number in range(3 * MAX_HEADS):
            cached.data_received(GET.replace(b"*/*", b"text/%d" % number))
        assert len(cached._heads) <= MAX_HEADS
        assert len(cached.fast_path.handled) == 3 + 3 * MAX_HEADS


def test_a_connection_caches_no_large_heads() -> None:
    large = b"X-A: %b\r\n\r\n" % (b"a" * 20_000)
    # White space before a value does not belong to it, and is not limited by itself.
    padded = b"X-A: %b\r\n\r\n" % (b" " * 200_000 + b"a")
    with clients() as (cached, _):
        before = dict(cached._heads)
        for end in (large, padded):
            cached.data_received(GET[:-2] + end)
        assert len(cached.fast_path.handled) == 5
        assert cached._heads == before


def test_a_connection_caches_no_signature() -> None:
    signed = GET[:-2] + b"X-ETH-Address: 0x\r\n\r\n"
    with clients() as (cached, _):
        before = dict(cached._heads)
        cached.data_received(signed)
        assert len(cached.fast_path.handled) == 4
        assert cached._heads == before


def test_a_closed_connection_has_an_empty_cache() -> None:
    """Heads contain keys, and a closed connection may stay in memory for a while."""
    with clients() as (cached, _):
        assert cached._heads
    assert not cached._heads


def test_a_request_is_offered_to_the_fast_path_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each offer parses the body and verifies the signature again, and most fail under load."""
    offered = []
    with clients() as (client, _):
        with monkeypatch.context() as patch:
            patch.setattr(
                client.fast_path, "try_handle", lambda *arguments: offered.append(arguments)
            )
            client.data_received(POST)
        assert len(offered) == 1
        assert len(client.asgi_cycles) == 1
        client.asgi_cycles[0].response_complete = True
        client.data_received(POST)
        assert len(client.fast_path.handled) == 4


def test_an_internal_error_is_not_reported_as_the_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("internal")

    log = Mock()
    monkeypatch.setattr(refusals, "log", log)
    with clients() as (client, _):
        monkeypatch.setattr(client.fast_path, "try_handle", fail)
        client.data_received(GET.replace(b"Accept", b"X-Other"))
        assert client.socket.written.startswith(b"HTTP/1.1 500 ")
        assert client.socket.closed
    assert str(log.error.call_args.kwargs["exc_info"]) == "internal"


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Valid requests with bytes inserted, replaced or removed; in one to four reads."""
    data = b"".join(draw(st.lists(st.sampled_from(VALID), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from((0, 0, 1, 2, 9)))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=3))
        data = data[:start] + piece + data[end:]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = zip([0, *cuts], [*cuts, len(data)], strict=True)
    return [data[start:end] for start, end in pieces if start < end]


@settings(max_examples=1000)
@given(streams())
@example([GET])
@example([POST[:-9], POST[-9:]])
@example([POST + b"GET"])
@example([b"\r\n", GET])
@example([b"\r\n" + GET])
@example([GET.replace(b" HTTP/1.1", b" HTTP/1.0")])
@example([GET.replace(b"GET", b"CONNECT")])
@example([GET.replace(b"GET /", b"GET  /")])
@example([GET.replace(b"GET ", b"GET http://other")])
@example([POST.replace(b"12", b"1")])
@example([POST.replace(b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n")])
# The end of a body looks like the beginning of the next request, which follows.
@example([POST.replace(b": 9", b": 40") + b"." * 20, GET[:11] + GET, GET])
@example([b"PUT /other HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", b"abc" + GET, GET])
def test_any_bytes_are_read_alike_with_and_without_the_cache(reads: list[bytes]) -> None:
    with clients() as (cached, uncached):
        for data in reads:
            cached.data_received(data)
            uncached.data_received(data)
        assert cached.outcome == uncached.outcome
