"""A head that came before on a connection is not parsed again, and never read in another way.

Two connections get the same bytes: one remembers the heads of earlier requests, one is made to
forget them. What they hand on, answer and close has to be the same for whatever bytes there are.
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
GOOD = (GET, POST, EMPTY)
# What has split one parser's requests from another's, and the pieces that requests are made of.
TOKENS = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"\r\n\r\n", b"%00", b"#", b"\x80", b"//"),
    *(b"GET ", b"HEAD ", b"CONNECT ", b"get ", b" HTTP/1.0", b" HTTP/1.1", b" HTTP/2.0"),
    *(b"http://other", b"*", b"?", b"Content-Length: 9\r\n", b"Content-Length: 0\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    *(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"X-A: b\r\n", b" folded\r\n", *GOOD),
)


class Transport:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.ended = True

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1234) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class Short:
    """Takes each request whose line keeps to the rules, and has answered it at once."""

    prefix = FastPath.prefix
    parse_head = FastPath.parse_head

    def __init__(self) -> None:
        self.rules = RequestRules(None, ())  # type: ignore[arg-type]
        self.taken: list[Any] = []

    def try_handle(self, _: object, line: RequestLine, head: RequestHead, body: bytes) -> Any:
        try:
            check_line(line)
            upstream_target(line.path, line.query)
        except GatewayError:
            return None
        if ADDRESS_HEADER not in head.headers:
            head.key_digest = b"of a key"
        self.taken.append((line, head.raw, head.headers, head.length, body))
        return SimpleNamespace(
            response_started=True,
            response_complete=True,
            more_body=False,
            keep_alive=True,
            message_event=asyncio.Event(),
            hand_over=lambda: None,
        )


class Client(StrictProtocol):
    """A connection whose ordinary requests are noted and not run."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, forgetful: bool) -> None:
        self.short = Short()
        app = SimpleNamespace(fast_path=self.short)
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
        )
        config.load()
        super().__init__(config, ServerState(), {}, loop)
        self.forgetful = forgetful
        self.ordinary: list[RequestResponseCycle] = []
        self.socket = Transport()
        self.connection_made(self.socket)  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.ordinary.append(cycle)

    def data_received(self, data: bytes) -> None:
        if self.forgetful:
            self._heads.clear()
        super().data_received(data)

    @property
    def outcome(self) -> Any:
        """All that can be told from outside; the answer to a refusal by its first line."""
        ordinary = [
            (
                [cycle.scope[name] for name in ("method", "raw_path", "query_string", "headers")],
                bytes(cycle.body),
                cycle.more_body,
            )
            for cycle in self.ordinary
        ]
        return self.short.taken, ordinary, self.socket.written[:12], self.socket.ended


@contextmanager
def clients() -> Iterator[tuple[Client, Client]]:
    """One that remembers, after a few requests, and one that does not."""
    loop = asyncio.new_event_loop()
    both = Client(loop, forgetful=False), Client(loop, forgetful=True)
    try:
        for client in both:
            for request in GOOD:
                client.data_received(request)
        yield both
    finally:
        for client in both:
            client.connection_lost(None)
        loop.close()


def test_a_known_head_is_taken_without_the_parser() -> None:
    with clients() as (remembering, _):
        remembering.parser = None  # type: ignore[assignment] # whoever asks it fails
        other = GET.replace(b"run_id=1", b"run_id=2")
        for request in (GET, POST, EMPTY, other, POST.replace(b"12", b"34")):
            remembering.data_received(request)
        lines = [line for line, *_ in remembering.short.taken]
        assert lines[-2] == ("GET", RUNS + b"get", b"run_id=2")
        assert remembering.short.taken[-1][-1] == b'{"a": 34}'
        assert len(lines) == 8


def test_a_connection_remembers_few_heads() -> None:
    with clients() as (remembering, _):
        for number in range(3 * MAX_HEADS):
            remembering.data_received(GET.replace(b"*/*", b"text/%d" % number))
        assert len(remembering._heads) <= MAX_HEADS
        assert len(remembering.short.taken) == 3 + 3 * MAX_HEADS


def test_a_connection_remembers_no_large_heads() -> None:
    large = b"X-A: %b\r\n\r\n" % (b"a" * 20_000)
    # White space before a value is no part of it, and has no limit of its own.
    padded = b"X-A: %b\r\n\r\n" % (b" " * 200_000 + b"a")
    with clients() as (remembering, _):
        before = dict(remembering._heads)
        for end in (large, padded):
            remembering.data_received(GET[:-2] + end)
        assert len(remembering.short.taken) == 5
        assert remembering._heads == before


def test_a_connection_remembers_no_signature() -> None:
    signed = GET[:-2] + b"X-ETH-Address: 0x\r\n\r\n"
    with clients() as (remembering, _):
        before = dict(remembering._heads)
        remembering.data_received(signed)
        assert len(remembering.short.taken) == 4
        assert remembering._heads == before


def test_a_connection_that_is_over_remembers_nothing() -> None:
    """A key is in each head, and what is left of a connection may lie about for a while."""
    with clients() as (remembering, _):
        assert remembering._heads
    assert not remembering._heads


def test_what_the_short_way_declined_is_not_offered_to_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each offer reads body and signature anew, and most is declined when all are busy."""
    offered = []
    with clients() as (client, _):
        with monkeypatch.context() as patch:
            patch.setattr(client.short, "try_handle", lambda *given: offered.append(given))
            client.data_received(POST)
        assert len(offered) == 1
        assert len(client.ordinary) == 1
        client.ordinary[0].response_complete = True
        client.data_received(POST)
        assert len(client.short.taken) == 4


def test_a_fault_of_ours_is_not_told_to_be_the_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("ours")

    log = Mock()
    monkeypatch.setattr(refusals, "log", log)
    with clients() as (client, _):
        monkeypatch.setattr(client.short, "try_handle", fail)
        client.data_received(GET.replace(b"Accept", b"X-Other"))
        assert client.socket.written.startswith(b"HTTP/1.1 500 ")
        assert client.socket.ended
    assert str(log.error.call_args.kwargs["exc_info"]) == "ours"


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Good requests with something put in, over, or taken away; in one to four reads."""
    data = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=3)))
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
# The end of one request's body that reads like the beginning of another, which follows it.
@example([POST.replace(b": 9", b": 40") + b"." * 20, GET[:11] + GET, GET])
@example([b"PUT /other HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", b"abc" + GET, GET])
def test_whatever_comes_is_read_in_the_same_way(reads: list[bytes]) -> None:
    with clients() as (remembering, forgetful):
        for data in reads:
            remembering.data_received(data)
            forgetful.data_received(data)
        assert remembering.outcome == forgetful.outcome
