"""Requests as bytes on a socket, for what no HTTP client would send."""

import json
import socket
from dataclasses import dataclass
from typing import Any, Self

from tests.support.gateway import RunningGateway

# Only a gateway that never answers meets it.
SECONDS = 60


@dataclass
class WireAnswer:
    """One answer, whole as its Content-Length says."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Wire:
    """A connection to the gateway."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=SECONDS)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, bodiless: bool = False) -> WireAnswer:
        """The next answer. Raises EOFError where the connection ends before it does."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        length = 0 if bodiless else int(headers.get("content-length", 0))
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return WireAnswer(int(status.split()[1]), headers, body)

    def rest(self) -> bytes:
        """What has been read beyond the last answer, taken from it."""
        rest, self._read = self._read, b""
        return rest

    @property
    def ended(self) -> bool:
        """Whether the gateway ends the connection, without a further byte; waits for it."""
        return not self._read and self._receive() == b""

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise EOFError(self._read)
        self._read += data

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""


def ask(gateway: RunningGateway, raw: bytes) -> WireAnswer:
    """Send the bytes on a connection of their own, and read one answer."""
    with Wire(gateway) as wire:
        wire.send(raw)
        return wire.answer(bodiless=raw.startswith(b"HEAD"))


def request(
    line: str = "GET /livez HTTP/1.1", *headers: str, host: str = "Host: gateway", body: bytes = b""
) -> bytes:
    """A request; `host` is its first header line, left out if empty."""
    lines = [line, *([host] if host else []), *headers]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body
