"""A request as the upstream server parses it."""

import httptools

from tests.support.scripted_upstream import UpstreamConnection


class ReceivedRequest:
    """Headers and body of one request. `complete`: it ended as its framing says."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    async def read(self, connection: UpstreamConnection) -> None:
        """Read until the request is complete or the gateway has closed the connection."""
        parser = httptools.HttpRequestParser(self)
        while not self.complete:
            data = await connection.reader.read(65536)
            if not data:
                return
            parser.feed_data(data)
