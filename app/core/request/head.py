"""A request's line and headers, as the edge parses them for later layers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from starlette.types import Scope


class RequestLine(NamedTuple):
    """The first line of a request.

    method: upper case. path, query: the two parts of the request target, not decoded.
    """

    method: str
    path: bytes
    query: bytes

    @classmethod
    def of(cls, scope: Scope) -> "RequestLine":
        """The line of an ASGI request."""
        return cls(scope["method"], scope["raw_path"], scope["query_string"])


class RequestHead:
    """The headers of one request, or of all requests of a connection with identical headers.

    Most clients send the same headers with each request, and parsing them costs more than all that
    is done with them. So whatever depends on the headers alone is computed once, and kept here.

    raw: in the order in which they were sent, with lower-case names.
    headers: by lower-case name. Repeats are joined with a comma; the edge refuses repeats of those
        that matter.
    length: the Content-Length in bytes, 0 without one.
    client: the address of the client; see `client_address`.
    digest: of the API key in them, once identity has found one.
    outbound: the headers that are forwarded to MLflow, encoded; first the workspace they are for.
    """

    __slots__ = ("client", "digest", "headers", "length", "outbound", "raw")

    def __init__(
        self, raw: list[tuple[bytes, bytes]], headers: Mapping[bytes, bytes], client: str
    ) -> None:
        self.raw = raw
        self.headers = headers
        self.client = client
        self.length = int(headers.get(b"content-length", b"0"))
        self.digest: bytes | None = None
        self.outbound: tuple[object, bytes] | None = None


# For a request whose headers have not been parsed yet.
EMPTY_HEAD = RequestHead([], MappingProxyType({}), "")
