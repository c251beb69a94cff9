"""Rules for the line and the headers of every request: a strict subset of RFC 9112."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.client_address import client_address
from app.core.errors import (
    HeadersTooLargeError,
    MalformedRequestError,
    MethodNotAllowedError,
    TargetTooLongError,
)
from app.core.networks import Network
from app.core.request.context import context_of
from app.core.request.head import RequestHead, RequestLine

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Bytes of the request target, number of headers, and bytes of all headers.
MAX_TARGET = 8 * 1024
MAX_HEADERS = 100
MAX_HEAD = 32 * 1024
# Headers that may not be repeated: two servers could each use another one of the values.
SINGLE = frozenset(
    {
        b"host",
        b"authorization",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"expect",
        b"x-api-key",
        b"x-eth-address",
        b"x-eth-message",
        b"x-eth-signature",
        b"x-request-id",
        b"idempotency-key",
    }
)
# HTTP/1.0 is accepted, but without Transfer-Encoding, which it does not have.
VERSIONS = frozenset({"1.0", "1.1"})


class RequestRules:
    """ASGI middleware that refuses requests against the rules, and parses headers for later layers.

    Raises MalformedRequestError, MethodNotAllowedError, TargetTooLongError, HeadersTooLargeError.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: tuple[Network, ...]) -> None:
        self.app = app
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_line(RequestLine.of(scope))
        client = scope.get("client")
        context_of(scope).head = self.parse_head(
            scope["headers"], scope["http_version"], client[0] if client else ""
        )
        await self.app(scope, receive, send)

    def parse_head(self, raw: list[tuple[bytes, bytes]], version: str, peer: str) -> RequestHead:
        """Check and parse the headers of a request.

        raw: with lower-case names. version: of HTTP, such as `1.1`. peer: the address of the
        connection's other end. Raises MalformedRequestError and HeadersTooLargeError.
        """
        headers = _headers(raw)
        _check_framing(headers, version)
        _check_media_type(headers)
        client = client_address(peer, headers.get(b"x-forwarded-for"), self.trusted_proxies)
        return RequestHead(raw, headers, client)


def check_line(line: RequestLine) -> None:
    """Raise MethodNotAllowedError, MalformedRequestError or TargetTooLongError for a bad line."""
    if line.method not in METHODS:
        allowed = ", ".join(sorted(METHODS))
        raise MethodNotAllowedError(
            f"This server supports the methods {allowed} only.",
            headers=[(b"allow", allowed.encode())],
        )
    target = line.path
    if target[:1] != b"/":
        raise MalformedRequestError("The request's target must be a path that begins with /.")
    if len(target) + len(line.query) > MAX_TARGET:
        raise TargetTooLongError(f"The request's target is longer than {MAX_TARGET} bytes.")
    if b"%00" in target or b"%00" in line.query:
        # PostgreSQL, which stores what MLflow and the gateway receive, accepts it in no text.
        raise MalformedRequestError("The request's target contains a NUL (%00).")


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; harmless repeats are joined with a comma (RFC 9110, section 5.3)."""
    if len(raw) > MAX_HEADERS:
        raise HeadersTooLargeError(f"The request has more than {MAX_HEADERS} headers.")
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        if name in headers:
            if name in SINGLE:
                raise MalformedRequestError(
                    f"The header {name.decode('latin-1')} must not be sent twice."
                )
            headers[name] = headers[name] + b", " + value
        else:
            headers[name] = value
    names = b"".join(headers)
    if len(names) + sum(map(len, headers.values())) > MAX_HEAD:
        raise HeadersTooLargeError(f"The request's headers are larger than {MAX_HEAD} bytes.")
    # Servers that treat `-` and `_` alike would mistake one header for another.
    if b"_" in names:
        raise MalformedRequestError("A header's name contains an underscore. Use hyphens.")
    return headers


def _check_media_type(headers: dict[bytes, bytes]) -> None:
    """Refuse bytes outside ASCII, which are white space to some servers and text to others."""
    if not headers.get(b"content-type", b"").isascii():
        raise MalformedRequestError("Content-Type contains characters outside ASCII.")


def _check_framing(headers: dict[bytes, bytes], version: str) -> None:
    """Refuse what two HTTP parsers could frame in different ways (request smuggling)."""
    if version not in VERSIONS:
        raise MalformedRequestError("This server speaks HTTP/1.1 only.")
    if not headers.get(b"host"):
        raise MalformedRequestError("The request has no Host header.")
    encoding = headers.get(b"transfer-encoding")
    length = headers.get(b"content-length")
    if encoding is not None:
        if length is not None:
            raise MalformedRequestError(
                "The request has both Content-Length and Transfer-Encoding. Send one of the two."
            )
        if encoding.lower() != b"chunked":
            raise MalformedRequestError("The only Transfer-Encoding supported is `chunked`.")
        if version == "1.0":
            raise MalformedRequestError("Transfer-Encoding needs HTTP/1.1.")
    if length is not None and not (length.isdigit() and len(length) <= 15):
        raise MalformedRequestError("Content-Length is not a valid number of bytes.")
