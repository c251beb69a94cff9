"""Reading a request's body into memory, within bounds of size and time."""

import asyncio
import time

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from app.core.errors import BodyTooLargeError, SlowRequestError
from app.core.min_rate import MinimumDataRate

# Bytes of the largest JSON body that the gateway's own endpoints accept.
MAX_DOCUMENT = 2 * 1024 * 1024


async def read_body(receive: Receive, *, limit: int, body_timeout: float) -> bytes:
    """The whole body.

    limit: bytes that it may have. body_timeout: seconds for which the client may be silent; it also
    has to keep to the minimum data rate.

    Raises BodyTooLargeError, SlowRequestError, and ClientDisconnect if the client leaves.
    """
    parts = []
    size = 0
    more = True
    rate = MinimumDataRate(body_timeout)
    while more:
        since = time.monotonic()
        try:
            async with asyncio.timeout(body_timeout):
                message = await receive()
        except TimeoutError:
            raise SlowRequestError(
                f"Nothing of the request's body was received for {body_timeout:g} seconds. Send "
                "the request again."
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(f"The body of this request may have at most {limit} bytes.")
        parts.append(part)
        more = message.get("more_body", False)
        if more:
            rate.record(len(part), time.monotonic() - since)
    return b"".join(parts)


async def discard(receive: Receive, *, limit: int, seconds: float) -> bool:
    """Read the rest of a body and drop it; whether its end was reached within the bounds.

    A response that leaves a body unread closes the connection, and the reset that follows can
    destroy the response on its way. limit: bytes. seconds: for all of it.
    """
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return False
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        pass
    return False
