"""The client's connection without the HTTP parser, for the large bodies of one request.

An ASGI extension of this server: it travels beside the messages, in `scope["zero_copy"]`. What uses
it has to count the bytes itself, because no layer in between sees them.
"""

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.edge.http1.interfaces import ServerConnection


class ZeroCopyChannel:
    """The client's connection while one request on it is being processed.

    bytes_in, bytes_out: how many bytes of the request's body and of the response's went this way.
    """

    __slots__ = ("_protocol", "bytes_in", "bytes_out")

    def __init__(self, protocol: ServerConnection) -> None:
        self._protocol = protocol
        self.bytes_in = self.bytes_out = 0

    @property
    def _cycle(self) -> RequestResponseCycle:
        # Looked up each time: the cycle holds the scope, which holds this object.
        return self._protocol.running

    @property
    def transport(self) -> asyncio.Transport:
        """The transport that owns the client's socket."""
        return self._protocol.transport

    # --- the request's body ---

    def hold_body(self) -> bool:
        """Stop reading the body until `receive` is called; False if some of it is in memory.

        Called right after `receive`, True means that all bytes still to come are in the socket.
        """
        cycle = self._cycle
        if cycle.body or not cycle.more_body or cycle.disconnected or self.transport.is_closing():
            return False
        self._protocol.flow.pause_reading()
        return True

    def count_body(self, size: int) -> None:
        """Count bytes of the request's body that were read from the socket."""
        self.bytes_in += size

    def end_body(self) -> None:
        """Note that all of the body has been read: the next bytes are another request's."""
        cycle = self._cycle
        if not cycle.disconnected:
            # The old parser still expects the bytes that it has not seen.
            parser = httptools.HttpRequestParser(self._protocol)
            parser.set_dangerous_leniencies(lenient_data_after_close=True)  # like uvicorn's own
            self._protocol.parser = parser
            cycle.more_body = False
            cycle.message_event.set()

    # --- the response's body ---

    def can_splice(self, size: int) -> bool:
        """Whether the response has a Content-Length of which exactly `size` bytes are missing."""
        cycle = self._cycle
        return cycle.chunked_encoding is False and cycle.expected_content_length == size

    async def flush(self) -> None:
        """Wait until everything written is in the client's socket, or the client has gone."""
        transport, flow = self.transport, self._protocol.flow
        self._protocol.flush_head()
        if not transport.is_closing():
            transport.set_write_buffer_limits(high=0)
            await flow.drain()
        if not transport.is_closing():
            transport.set_write_buffer_limits()

    def count_response(self, size: int) -> None:
        """Count bytes of the response's body that were written to the socket."""
        self.bytes_out += size
        self._cycle.expected_content_length -= size

    def check_send_timeout(self, silent: float) -> None:
        """Abort the connection if the client has read nothing for longer than SEND_TIMEOUT.

        silent: seconds for which it has read nothing.
        """
        self._protocol.check_send_timeout(silent)

    def client_gone(self) -> None:
        """Note that writing to the client's socket has failed."""
        self._cycle.disconnected = True
        self._cycle.message_event.set()
        self.transport.abort()
