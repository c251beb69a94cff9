"""The head of an upstream's response (RFC 9112, sections 4 to 6)."""

from dataclasses import dataclass
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.core.errors import UpstreamProtocolError
from app.data_plane.upstream.headers import (
    RawHeaders,
    as_data,
    header_lines,
    response_headers,
    without_caching,
)

# Responses with these statuses have no body, whatever their headers say.
STATUSES_WITHOUT_BODY = frozenset({204, 304})
# A server's heads are nearly all alike, so the parsed ones are remembered. Larger heads are parsed
# each time, so that what is remembered takes at most 512 KiB.
_MAX_REMEMBERED = 256
_MAX_REMEMBERED_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What the head of a response says.

    headers: all that were received, with lower-case names.
    forwarded: those of them that go to the client, with `no-store`; `lines`: the same, encoded.
    has_date, has_length: whether a Date, or a Content-Length, is among those forwarded.
    length: the Content-Length in bytes. Where it is None and the body is not `chunked` either, the
        body ends with the connection.
    keep_alive: the connection may carry another request.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    forwarded: tuple[tuple[bytes, bytes], ...]
    lines: bytes
    has_date: bool
    has_length: bool
    length: int | None
    chunked: bool
    keep_alive: bool


EMPTY_HEAD = ResponseHead(
    0, (), (), b"", has_date=False, has_length=False, length=None, chunked=False, keep_alive=False
)


def parse_response_head(head: bytes) -> ResponseHead:
    """Parse the head of a response, with its empty line. Raises UpstreamProtocolError."""
    return _parse(head) if len(head) > _MAX_REMEMBERED_BYTES else _parse_once(head)


class _HeaderCollector:
    """Collects the headers that httptools finds."""

    def __init__(self) -> None:
        self.headers: RawHeaders = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def _parse(head: bytes) -> ResponseHead:
    collector = _HeaderCollector()
    parser = HttpResponseParser(collector)
    try:
        parser.feed_data(head)
    except (HttpParserError, HttpParserUpgrade) as error:
        raise UpstreamProtocolError("MLflow's response is not valid HTTP/1.1.") from error
    status = parser.get_status_code()
    if not 100 <= status <= 599 or status == 101 or not head.startswith(b"HTTP/1."):
        raise UpstreamProtocolError("MLflow's response has a status that is not valid here.")
    length: int | None = None
    chunked = False
    keep_alive = head.startswith(b"HTTP/1.1")
    for name, value in collector.headers:
        if name == b"content-length":
            if not value.isdigit() or length is not None:
                raise UpstreamProtocolError("The Content-Length of MLflow's response is not valid.")
            length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or chunked:
                raise UpstreamProtocolError("MLflow's response has an unknown Transfer-Encoding.")
            chunked = True
        elif name == b"connection" and b"close" in value.lower():
            keep_alive = False
    if chunked and length is not None:
        raise UpstreamProtocolError(
            "MLflow's response has both a Content-Length and a Transfer-Encoding."
        )
    forwarded = as_data(without_caching(response_headers(collector.headers)))
    if status in STATUSES_WITHOUT_BODY:
        # uvicorn would expect a body of this length, and there is none.
        forwarded = [item for item in forwarded if item[0] != b"content-length"]
    names = {name for name, _ in forwarded}
    return ResponseHead(
        status,
        tuple(collector.headers),
        tuple(forwarded),
        header_lines(forwarded),
        has_date=b"date" in names,
        has_length=b"content-length" in names,
        length=length,
        chunked=chunked,
        keep_alive=keep_alive,
    )


_parse_once = lru_cache(_MAX_REMEMBERED)(_parse)
