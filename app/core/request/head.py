"""The request line and the headers of a request, as parsed and checked by the edge."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from starlette.types import Scope


class RequestLine(NamedTuple):
    """method: in upper case. path, query: the two parts of the request target, not decoded."""

    method: str
    path: bytes
    query: bytes

    @classmethod
    def of(cls, scope: Scope) -> "RequestLine":
        """The request line of an ASGI scope."""
        return cls(scope["method"], scope["raw_path"], scope["query_string"])


class RequestHead:
    """The headers of one request, and what is derived from them alone.

    Most clients send identical headers with every request of a connection. Those requests share
    one head, so that parsing and authentication work on it only once.

    raw: the headers as received, with names in lower case.
    headers: by lower-case name. The edge has refused a repeated header where that is ambiguous, and
        joined the values of other repeated headers with commas.
    length: the Content-Length in bytes; 0 without one.
    client: the client address: see `app.core.client_address`.
    key_digest: the digest of the API key or token in the headers; None until identity has set it.
    outbound: the headers of the request to MLflow as sent on the connection, and the object that
        they were built for; None until the proxy has set it.
    """

    __slots__ = ("client", "headers", "key_digest", "length", "outbound", "raw")

    def __init__(
        self, raw: list[tuple[bytes, bytes]], headers: Mapping[bytes, bytes], client: str
    ) -> None:
        self.raw = raw
        self.headers = headers
        self.client = client
        self.length = int(headers.get(b"content-length", b"0"))
        self.key_digest: bytes | None = None
        self.outbound: tuple[object, bytes] | None = None


# The head of a request until the edge has parsed its headers.
EMPTY_HEAD = RequestHead([], MappingProxyType({}), "")
