"""A client's transport that does not lose the end of a response."""

import asyncio
from typing import Any

from app.edge.http1.interfaces import ServerConnection

# Seconds for which the rest of a request is read and dropped after a response that came before its
# end (nginx: lingering_close).
LINGER_TIMEOUT = 2.0
# Seconds for which a client may read nothing of what is written for it, at the end of a connection
# and, before that, while the write buffer is full (nginx: send_timeout).
SEND_TIMEOUT = 120.0


class LingeringTransport:
    """A transport whose `close` does not destroy a response that is still on its way.

    Closing a socket that holds unread bytes sends a reset, and a client that is still sending then
    loses the response. So the end of the connection is announced first (FIN), and what the client
    still sends is dropped for LINGER_TIMEOUT.

    The head of a response is held back until the first part of its body is written, at most to the
    next turn of the event loop: both leave in one system call, the largest cost of a small request.
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
        """Write data, or hold it back if it is the head of a response."""
        if self._head:
            self._head += data
            self.flush()
        elif data[:5] == b"HTTP/":
            self._head = data
            self._head_due = self._protocol.loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def write_whole(self, data: bytes) -> None:
        """Write a response that is complete."""
        self.flush()
        self._transport.write(data)

    def flush(self) -> None:
        """Write what is held back: a head without its body, or a body that looks like a head."""
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Close after everything has been written; `linger` if the request is not read in full."""
        cycle = self._protocol.cycle
        if cycle is not None and cycle.response_complete and cycle.more_body:
            self.linger()
        elif not self._closing:
            self._closing = True
            self.flush()
            self._transport.close()
            # Without a timer this would wait for ever for a client that does not read.
            if self._transport.get_write_buffer_size():
                self._timer = self._protocol.loop.call_later(SEND_TIMEOUT, self._transport.abort)

    def linger(self) -> None:
        """Announce the end after everything has been written, and keep reading for a while."""
        if self.is_closing():
            return
        self._closing = True
        self.flush()
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:
            # asyncio: the client has disconnected already (ENOTCONN).
            self._transport.abort()
            return
        self._protocol.flow.resume_reading()
        self._timer = self._protocol.loop.call_later(LINGER_TIMEOUT, self._transport.abort)

    def connection_lost(self) -> None:
        """Cancel what is scheduled. To be called by the protocol when the connection has ended."""
        if self._head_due is not None:
            self._head_due.cancel()
        if self._timer is not None:
            self._timer.cancel()
