"""Bounds the time and the memory for what a client does not read."""

import asyncio

import structlog

from app.core.client_address import client_network
from app.core.request.context import RequestContext
from app.edge.held_memory import HeldMemory, Holding
from app.edge.http1 import lingering_transport

log = structlog.get_logger()

# Bytes of responses in memory that nobody has read, and of those of one client address. A write
# buffer counts while it is full: from 64 KiB on.
MAX_UNREAD = 64 * 1024 * 1024
MAX_UNREAD_OF_ADDRESS = 32 * 1024 * 1024


class UnreadData:
    """What was written for one client while its write buffer is full.

    transport: is aborted if nothing is read for SEND_TIMEOUT, or if others need the memory.
    memory: counts it; None where nothing does. loop: that of the connection.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        memory: HeldMemory | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._transport = transport
        self._memory = memory
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._holding: Holding | None = None

    def begin(self, request: object, peer: str) -> None:
        """The buffer is full. request: the running one. peer: the connection's other end."""
        self.end()
        self._timer = self._loop.call_later(lingering_transport.SEND_TIMEOUT, self._transport.abort)
        if self._memory is not None:
            self._holding = self._memory.hold(
                client_network(_client_of(request) or peer), self._on_end
            )
            self._holding.grow(self._transport.get_write_buffer_size())

    def end(self) -> None:
        """There is room in the buffer, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._holding is not None:
            self._holding.release()
            self._holding = None

    def _on_end(self, _: bool) -> None:
        log.info("response.unread", client=self._holding.address if self._holding else None)
        # Not now: it may be this very transport that is writing.
        self._loop.call_soon(self._transport.abort)


def _client_of(request: object) -> str:
    """The client address of a request, which may be behind a proxy; "" where it is not known."""
    # A request on the fast path has its context itself, uvicorn's own in its scope.
    context: RequestContext | None = getattr(request, "context", None)
    if context is None:
        context = getattr(request, "scope", {}).get("context")
    return "" if context is None else context.client
