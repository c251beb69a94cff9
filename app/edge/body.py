"""Reading a request's body into memory, where that is needed and within bounds."""

import asyncio
import time

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from app.core.errors import BodyTooLargeError, SlowRequestError
from app.core.min_rate import MinimumDataRate

# The largest JSON body that the gateway itself looks into, in bytes.
MAX_DOCUMENT = 2 * 1024 * 1024


async def read_body(receive: Receive, *, limit: int, gap: float) -> bytes:
    """The whole body, at most `limit` bytes, without silences over `gap` seconds or drips (Pace).

    Raises BodyTooLargeError, SlowRequestError, and ClientDisconnect when the client leaves.
    """
    parts = []
    size = 0
    more = True
    pace = MinimumDataRate(gap)
    while more:
        began = time.monotonic()
        try:
            async with asyncio.timeout(gap):
                message = await receive()
        except TimeoutError:
            raise SlowRequestError(
                f"Nothing of the request's body came for {gap:g} seconds. Send it again."
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(f"This request's body may have at most {limit} bytes.")
        parts.append(part)
        more = message.get("more_body", False)
        if more:
            pace.record(len(part), time.monotonic() - began)
    return b"".join(parts)


async def discard(receive: Receive, *, limit: int, seconds: float) -> bool:
    """Read and drop what is left of a body; whether its end was reached within the bounds.

    An answer that leaves a body unread closes the connection, and the reset that follows can
    destroy the answer on its way; a small body is read out instead.
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
