"""A client's transport that does not lose the end of an answer."""

import asyncio
from typing import Any

from app.edge.http1.interfaces import ServerConnection

# How long the rest of a request is read and dropped after an answer that did not wait for it.
LINGER_SECONDS = 2.0
# How long a client may leave lying what was written for it, at the end of the connection
# and, before that, so much that no more can be written.
SEND_TIMEOUT = 120.0


class LingeringTransport:
    """A transport whose `close` does not destroy an answer that is still on its way.

    A socket that is closed with unread bytes sends a reset, at which a client that is still sending
    forgets to look for an answer. So the end is announced first, and what still comes is dropped
    for a while.

    An answer's head waits for the first of its body, for as long as the event loop takes to come
    round: the two leave in one write, the dearest thing that a small request costs.
    """

    def __init__(self, transport: asyncio.Transport, protocol: ServerConnection) -> None:
        self._transport = transport
        self._protocol = protocol
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._head = b""
        self._head_due: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if self._head:
            self._head += data
            self.flush()
        elif data[:5] == b"HTTP/":
            self._head = data
            self._head_due = self._protocol.loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def write_whole(self, data: bytes) -> None:
        """Send an answer that has its body with it."""
        self.flush()
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head whose body takes its time, or what merely looks like one."""
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        cycle = self._protocol.cycle
        if cycle is not None and cycle.response_complete and cycle.more_body:
            self.linger()
        elif not self._closing:
            self._closing = True
            self.flush()
            self._transport.close()
            # By itself that waits for a client that does not read, for ever.
            if self._transport.get_write_buffer_size():
                self._timer = self._protocol.loop.call_later(SEND_TIMEOUT, self._transport.abort)

    def linger(self) -> None:
        """Send what is written and then the end, and read on for a while."""
        if self.is_closing():
            return
        self._closing = True
        self.flush()
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._protocol.flow.resume_reading()
        self._timer = self._protocol.loop.call_later(LINGER_SECONDS, self._transport.abort)

    def lost(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
        if self._timer is not None:
            self._timer.cancel()
