"""Errors as HTTP responses: the headers that belong to a problem document (RFC 9457)."""

from starlette.types import Send

from app.core.errors import PROBLEM, GatewayError


def error_headers(
    error: GatewayError, body: bytes, *, closes: bool = False
) -> list[tuple[bytes, bytes]]:
    """The headers of an error response, without those that every response has.

    body: the result of `error.body`. closes: the connection is closed after the response.
    """
    headers = [
        (b"content-type", PROBLEM),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *error.headers,
    ]
    if closes:
        headers.append((b"connection", b"close"))
    return headers


async def send_error(
    error: GatewayError, request_id: str, send: Send, *, closes: bool = False
) -> None:
    """Send an error as an ASGI response. closes: the connection is closed after it."""
    body = error.body(request_id)
    headers = error_headers(error, body, closes=closes)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
