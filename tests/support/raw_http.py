"""Requests as bytes on a socket, for what no HTTP client would send."""

import json
import socket
from dataclasses import dataclass
from typing import Any, Self

from tests.support.gateway import RunningGateway

# Reached only if the gateway never responds.
TIMEOUT_SECONDS = 60


@dataclass
class RawResponse:
    """One response, read as far as its Content-Length says. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body, parsed as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class RawConnection:
    """A TCP connection to the gateway. source: the client's loopback address."""

    def __init__(self, gateway: RunningGateway, *, source: str = "127.0.0.1") -> None:
        address = ("127.0.0.1", gateway.port)
        self.socket = socket.create_connection(address, TIMEOUT_SECONDS, (source, 0))
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_response(self, *, head_only: bool = False) -> RawResponse:
        """The next response. Raises EOFError if the connection ends before its end.

        head_only: for a response to HEAD, whose Content-Length is not that of a body.
        """
        while b"\r\n\r\n" not in self._unread:
            self._read_more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        length = 0 if head_only else int(headers.get("content-length", 0))
        while len(self._unread) < length:
            self._read_more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return RawResponse(int(status.split()[1]), headers, body)

    def take_unread(self) -> bytes:
        """The bytes that were received after the last response, which are then forgotten."""
        unread, self._unread = self._unread, b""
        return unread

    @property
    def closed_by_gateway(self) -> bool:
        """Whether the gateway closes the connection without a further byte; waits for either."""
        return not self._unread and self._receive() == b""

    def _read_more(self) -> None:
        data = self._receive()
        if not data:
            raise EOFError(self._unread)
        self._unread += data

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""


def send_raw(gateway: RunningGateway, data: bytes) -> RawResponse:
    """Send the bytes on a new connection, and read one response."""
    with RawConnection(gateway) as connection:
        connection.send(data)
        return connection.read_response(head_only=data.startswith(b"HEAD"))


def request(
    line: str = "GET /livez HTTP/1.1", *headers: str, host: str = "Host: gateway", body: bytes = b""
) -> bytes:
    """The bytes of a request; `host` is its first header line, left out if empty."""
    lines = [line, *([host] if host else []), *headers]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body
