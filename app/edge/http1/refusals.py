"""What the HTTP/1.1 protocol itself refuses, before a request reaches the application."""

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.core.errors import GatewayError, InternalError, MalformedRequestError, render
from app.edge.date_header import date_header

log = structlog.get_logger()


def check_head(url: bytes, headers: list[tuple[bytes, bytes]], *, upgrade: bool) -> None:
    """Raise MalformedRequestError for a head that must not reach the application.

    url: the request target. headers: with lower-case names. upgrade: whether they ask for another
    protocol, at which the parser stops reading.
    """
    if url[:1] != b"/" or b"#" in url:
        raise MalformedRequestError(
            "The request's target must be a path that begins with /, without a fragment."
        )
    if upgrade:
        values = dict(headers)
        if values.get(b"upgrade", b"").lower() == b"websocket":
            raise MalformedRequestError("This server does not offer WebSocket.")
        if b"transfer-encoding" in values or values.get(b"content-length", b"0") != b"0":
            raise MalformedRequestError(
                "A request with a body must not ask for an upgrade. This server speaks HTTP/1.1 "
                "only."
            )


def parse_error(error: httptools.HttpParserError) -> GatewayError:
    """The error to respond with when the parser has stopped.

    Either the request is malformed, or a callback failed with an internal error, which is logged.
    """
    cause = error.__context__
    # A path that cannot be decoded, or a target that is not a valid URL, fails in a callback too.
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeDecodeError):
        return MalformedRequestError("The request is not valid HTTP/1.1.")
    log.error("request.failed", exc_info=cause)
    return InternalError()


def error_response(error: GatewayError, request_id: str) -> bytes:
    """The whole response for an error, after which the connection is closed."""
    own, body = render(error, request_id, closes_connection=True)
    headers = [
        date_header(),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        *own,
    ]
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body])
