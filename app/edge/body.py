"""Reading a request's body into memory, within bounds of size and time."""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.core.errors import (
    BodyTooLargeError,
    GatewayBusyError,
    GatewayError,
    SlowRequestError,
    TooManyDocumentsError,
)
from app.core.min_rate import MinimumDataRate
from app.edge.held_memory import HeldMemory

# Bytes of a body that is too small to count.
UNCOUNTED = 16 * 1024


class BodyInMemory:
    """The memory of one body that is being received, or has been.

    held: what counts it. address: of the client.
    """

    def __init__(self, held: HeldMemory, address: str) -> None:
        self.holding = held.hold(address, self._on_end)
        self._held = held
        self._size = 0
        # Makes the error for a body that has been ended. Kept as an error it would refer, by its
        # traceback, to this object, and both would wait for the garbage collector.
        self._refusal: Callable[[], GatewayError] | None = None
        self._wait: asyncio.Timeout | None = None

    def _on_end(self, of_address: bool) -> None:
        """Called where others need the memory more: ends the wait for the rest of the body."""
        self._refusal = self._too_many if of_address else self._busy
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())

    def _too_many(self) -> GatewayError:
        return TooManyDocumentsError(
            f"The unfinished requests of this address have more than {self._held.per_address} "
            "bytes together, and this one took longest. Send fewer at once.",
            retry_after=1,
        )

    def _busy(self) -> GatewayError:
        return GatewayBusyError(
            f"Unfinished requests have more than {self._held.total} bytes together, and this "
            "one took longest. Try again."
        )

    async def next_message(self, receive: Receive, body_timeout: float) -> Message:
        """The next message of a body. Raises as `read_body`."""
        try:
            async with asyncio.timeout(body_timeout) as self._wait:
                message = await receive()
        except TimeoutError:
            if self._refusal is not None:
                raise self._refusal() from None
            raise SlowRequestError(
                f"Nothing of the request's body was received for {body_timeout:g} seconds. Send "
                "the request again."
            ) from None
        finally:
            self._wait = None
        return message

    def grow(self, size: int) -> None:
        """Count further bytes. Raises as `read_body` where this body has been ended.

        A small body does not count, so that it is read where others fill the memory with large ones
        that are complete, and cannot be ended.
        """
        self._size += size
        if self._refusal is None and self._size > UNCOUNTED:
            self.holding.grow(self._size - self.holding.size)
        if self._refusal is not None:
            raise self._refusal()


async def read_body(
    receive: Receive, body: BodyInMemory, *, limit: int, body_timeout: float
) -> bytes:
    """The whole body.

    limit: bytes that it may have. body_timeout: seconds for which the client may be silent; it also
    has to keep to the minimum data rate.

    Raises BodyTooLargeError, SlowRequestError, ClientDisconnect if the client leaves, and
    TooManyDocumentsError or GatewayBusyError if the memory is needed for others.
    """
    # Not a list of parts: one of a byte takes forty times as much memory.
    received = bytearray()
    more = True
    rate = MinimumDataRate(body_timeout)
    while more:
        since = time.monotonic()
        message = await body.next_message(receive, body_timeout)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        if len(received) + len(part) > limit:
            raise BodyTooLargeError(f"The body of this request may have at most {limit} bytes.")
        body.grow(len(part))
        received += part
        more = message.get("more_body", False)
        if more:
            rate.record(len(part), time.monotonic() - since)
    # Complete: its sender cannot delay what is left to be done.
    body.holding.may_end = False
    return bytes(received)


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
