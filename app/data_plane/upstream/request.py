"""A request to the upstream, and the encoding of its head (RFC 9112, sections 2 to 6)."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.core.errors import MLflowRefusalError
from app.data_plane.upstream.headers import header_lines

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
# Methods of requests that a proxy may repeat (RFC 9110, section 9.2.2).
IDEMPOTENT = METHODS - {b"POST", b"PATCH"}
# Methods whose requests usually have a body; an absent one is announced as a length of zero.
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})

_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
# Written by `encode_head` itself, or never sent.
_RESERVED = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"}
)
# Header names that have passed the check. Bounded, because callers choose some of them.
_checked: set[bytes] = set()
_MAX_CHECKED = 1000


@dataclass(slots=True)
class UpstreamRequest:
    """One request to forward.

    method: one of METHODS.
    target: path and query in origin-form, as raw bytes, below the upstream's own path.
    headers: with lower-case names, without Host, Connection and framing.
    body: the whole body, where it is in memory; None where it is streamed, framed by the next two.
    content_length: bytes of a streamed body; None or 0 without `chunked` means that there is none.
    chunked: the body is streamed, and its length is not known.
    lines: more headers, encoded by `encode_headers`.
    caller: on whose share of the connections it counts; None is the gateway itself.
    patience: seconds for which the server may be silent before its response, besides the client's
        read timeout.
    after_refusal: called with the server's refusal of a request whose body is in memory; returns
        the request to send in its place, or None, which leaves the refusal to the client.
    """

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = None
    content_length: int | None = None
    chunked: bool = False
    lines: bytes = b""
    caller: str | None = None
    patience: float = 0.0
    after_refusal: "Callable[[MLflowRefusalError], Awaitable[UpstreamRequest | None]] | None" = None

    @property
    def streams(self) -> bool:
        """Whether the body is read from the client while it is sent."""
        return self.body is None and (self.chunked or bool(self.content_length))


def encode_head(request: UpstreamRequest, host: bytes, prefix: bytes = b"") -> bytes:
    """The head of a request, encoded with its empty line.

    host: the value of the Host header. prefix: the upstream's own path.

    Raises ValueError for anything that could end its line early, or contradict the framing.
    """
    method, target = request.method, prefix + request.target
    if method not in METHODS:
        raise ValueError(f"not a method that is forwarded: {method!r}")
    if _TARGET.fullmatch(target) is None:
        raise ValueError(f"not a valid request target in origin-form: {target!r}")
    if request.body is not None:
        if request.chunked or request.content_length is not None:
            raise ValueError("a body in memory is framed by its own length only")
        framing = _length_line(method, len(request.body))
    elif request.chunked:
        if request.content_length is not None:
            raise ValueError("a streamed body has either chunks or a length, not both")
        framing = b"transfer-encoding: chunked\r\n"
    else:
        framing = _length_line(method, request.content_length or 0)
    parts = (
        method,
        b" ",
        target,
        b" HTTP/1.1\r\nhost: ",
        host,
        b"\r\n",
        request.lines,
        encode_headers(request.headers),
        framing,
        b"\r\n",
    )
    return b"".join(parts)


def encode_headers(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers, encoded without the empty line.

    Raises ValueError for anything that could end its line early.
    """
    for name, value in headers:
        if name not in _checked:
            _check_name(name)
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ValueError("a header's value contains CR, LF or NUL")
    return header_lines(headers)


def _length_line(method: bytes, length: int) -> bytes:
    """The Content-Length line; b"" where a method without one means that there is no body."""
    if length < 0:
        raise ValueError("the length of a body is negative")
    if length or method in _BODY_METHODS:
        return b"content-length: %d\r\n" % length
    return b""


def _check_name(name: bytes) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not a valid header name in lower case: {name!r}")
    if name in _RESERVED:
        raise ValueError(f"a header that the client writes itself: {name!r}")
    if len(_checked) < _MAX_CHECKED:
        _checked.add(name)
