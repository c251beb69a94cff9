"""Sends an error as an ASGI response."""

from starlette.types import Send

from app.core.errors import GatewayError, render


async def send_error(
    error: GatewayError, request_id: str, send: Send, *, closes: bool = False
) -> None:
    """Send an error as the response to a request.

    closes: the server closes the connection after the response.
    """
    headers, body = render(error, request_id, closes_connection=closes)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
