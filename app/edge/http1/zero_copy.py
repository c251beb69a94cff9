"""The way around the HTTP parser and the transport, for one request's large bodies.

ASGI has no word for it, so that it travels beside the messages, in `scope["zero_copy"]`. Whoever
takes it up answers for what the layers in between would have counted.
"""

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.edge.http1.interfaces import ServerConnection


class ZeroCopyChannel:
    """The client's connection, while one request on it is answered.

    bytes_in, bytes_out: how much of the request's body and of the answer's came this way.
    """

    __slots__ = ("_protocol", "bytes_in", "bytes_out")

    def __init__(self, protocol: ServerConnection) -> None:
        self._protocol = protocol
        self.bytes_in = self.bytes_out = 0

    @property
    def _cycle(self) -> RequestResponseCycle:
        # Not kept: it holds the scope that holds this.
        return self._protocol.running

    @property
    def transport(self) -> asyncio.Transport:
        """Whose socket it is."""
        return self._protocol.transport

    # --- the request's body ---

    def hold_body(self) -> bool:
        """Read no more of the body until `receive` is called, where none of it waits in memory.

        Asked right after `receive`, this says that all further bytes are still in the socket.
        """
        cycle = self._cycle
        if cycle.body or not cycle.more_body or cycle.disconnected or self.transport.is_closing():
            return False
        self._protocol.flow.pause_reading()
        return True

    def count_body(self, size: int) -> None:
        """Note that so many bytes of the request's body were taken from the socket."""
        self.bytes_in += size

    def end_body(self) -> None:
        """All the rest of the body has been taken: what comes next is another request."""
        cycle = self._cycle
        if not cycle.disconnected:
            # The old one waits for an end that it will not see.
            parser = httptools.HttpRequestParser(self._protocol)
            parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
            self._protocol.parser = parser
            cycle.more_body = False
            cycle.message_event.set()

    # --- the answer's body ---

    def takes(self, size: int) -> bool:
        """Whether the answer's body goes out as it comes, and lacks just so many bytes."""
        cycle = self._cycle
        return cycle.chunked_encoding is False and cycle.expected_content_length == size

    async def flush(self) -> None:
        """Wait until all that was sent is with the socket, or the client has gone."""
        transport, flow = self.transport, self._protocol.flow
        self._protocol.send_held()
        if not transport.is_closing():
            transport.set_write_buffer_limits(high=0)
            await flow.drain()
        if not transport.is_closing():
            transport.set_write_buffer_limits()

    def count_answer(self, size: int) -> None:
        """Note that so many bytes of the answer's body are with the socket."""
        self.bytes_out += size
        self._cycle.expected_content_length -= size

    def unread(self, seconds: float) -> None:
        """Cut the connection if it is too long for which the client has taken nothing."""
        self._protocol.cut_unread(seconds)

    def leave(self) -> None:
        """The socket says that the client has gone."""
        self._cycle.disconnected = True
        self._cycle.message_event.set()
        self.transport.abort()
