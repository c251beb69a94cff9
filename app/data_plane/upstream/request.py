"""A request on its way to the upstream, and its head on the wire (RFC 9112, sections 2 to 6)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.data_plane.upstream.headers import header_lines

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
# A proxy may repeat these by itself (RFC 9110, section 9.2.2).
IDEMPOTENT = METHODS - {b"POST", b"PATCH"}
# Methods that mean a body: without one they say so with a length of zero.
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})

_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_OURS = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"}
)
# Names that have passed the check. Bounded, because names may come from outside.
_checked: set[bytes] = set()
_CHECKED_LIMIT = 1000


@dataclass(slots=True)
class UpstreamRequest:
    """One request to send on.

    method: upper case, one of METHODS.
    target: origin-form, raw bytes with the query, below the upstream's own path.
    headers: end-to-end, lower-case names, without Host, Connection and framing.
    body: the whole body, when it is in memory; None streams it, framed by the next two.
    content_length: the length in bytes of a streamed body; None or 0 without `chunked` is no body.
    chunked: a streamed body whose length nobody knows.
    lines: more headers, as `encode_headers` gives them.
    caller: whose share of the connections it takes from; None is the gateway itself.
    """

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = None
    content_length: int | None = None
    chunked: bool = False
    lines: bytes = b""
    caller: str | None = None

    @property
    def streams(self) -> bool:
        """Whether a body has to be read from the client."""
        return self.body is None and (self.chunked or bool(self.content_length))


def encode_head(request: UpstreamRequest, host: bytes, prefix: bytes = b"") -> bytes:
    """The head on the wire, with its empty line.

    host: value of the Host header. prefix: the upstream's own path.
    Raises ValueError for anything that could break out of its line, or contradict the framing.
    """
    method, target = request.method, prefix + request.target
    if method not in METHODS:
        raise ValueError(f"not a method that the gateway sends on: {method!r}")
    if _TARGET.fullmatch(target) is None:
        raise ValueError(f"not an origin-form request target: {target!r}")
    if request.body is not None:
        if request.chunked or request.content_length is not None:
            raise ValueError("a body in memory has no other framing than its own length")
        framing = _length(method, len(request.body))
    elif request.chunked:
        if request.content_length is not None:
            raise ValueError("a body is either chunked or has a length, not both")
        framing = b"transfer-encoding: chunked\r\n"
    else:
        framing = _length(method, request.content_length or 0)
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
    """Headers on the wire, without the empty line.

    Raises ValueError for anything that could break out of its line.
    """
    for name, value in headers:
        if name not in _checked:
            _check_name(name)
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ValueError("CR, LF or NUL in the value of a header")
    return header_lines(headers)


def _length(method: bytes, length: int) -> bytes:
    if length < 0:
        raise ValueError("the length of a body is negative")
    if length or method in _BODY_METHODS:
        return b"content-length: %d\r\n" % length
    return b""


def _check_name(name: bytes) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not the lower-case name of a header: {name!r}")
    if name in _OURS:
        raise ValueError(f"the transport writes this header itself: {name!r}")
    if len(_checked) < _CHECKED_LIMIT:
        _checked.add(name)
