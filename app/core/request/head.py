"""A request's line and headers, as the layers behind the edge read them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from starlette.types import Scope


class RequestLine(NamedTuple):
    """method: upper case. path, query: the request target's two parts, as they came."""

    method: str
    path: bytes
    query: bytes

    @classmethod
    def of(cls, scope: Scope) -> "RequestLine":
        """That of an ASGI scope."""
        return cls(scope["method"], scope["raw_path"], scope["query_string"])


class RequestHead:
    """The headers of one request, or of all on a connection that came with the very same ones.

    What follows from the headers alone is worked out once and kept here: most clients send the same
    headers with each request, and to read them costs more than all that is to be done with them.

    raw: as they came, names in lower case.
    headers: by lower-case name; the edge has refused repeats of those that matter, and joins the
        others with a comma.
    length: the Content-Length in bytes, 0 without one.
    client: the address the request came from, as far as trusted proxies tell.
    digest: of the API key that is in them, once identity has found one.
    outbound: what goes on to MLflow of them, on the wire, after the one that it was made for.
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


# Of a request whose headers nobody has read yet.
UNREAD = RequestHead([], MappingProxyType({}), "")
