"""A TCP proxy between gateway and MLflow that stops at a request chosen by the test."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Self
from urllib.parse import urlsplit

Stop = Literal["before", "after", "middle"]


class StallingProxy:
    """Forwards HTTP/1.1, until a request that `stall` chose.

    "before": the request is not sent to MLflow. "after": MLflow gets it, and its response is held
    back. `held` is set at that moment; `release` continues the forwarding. "middle": half of
    MLflow's response is sent, and the connection is closed.

    lines: the first line of each request.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stall: Callable[[str], bool] = lambda _: False
        self._stop: Stop = "before"
        self.lines: list[str] = []
        self._released = threading.Event()
        self.held = threading.Event()
        self.done = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        # Closing a listener alone does not wake the thread that waits in accept().
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in self._sockets:
            one.close()

    def stall(self, stop: Stop, part: str) -> None:
        """Hold the next request whose first line contains `part`."""
        self._stop = stop
        self._released.clear()
        self.held.clear()
        self.done.clear()
        self._stall = lambda line: part in line

    def release(self) -> None:
        """Continue; `done` is set once MLflow has responded to the request."""
        self._released.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._target)
            self._sockets += [client, upstream]
            thread = threading.Thread(target=self._serve, args=(client, upstream), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            while (message := _message(client)) is not None:
                line = message.split(b"\r\n", 1)[0].decode("latin-1")
                self.lines.append(line)
                holds = self._stall(line)
                if holds:
                    self._stall = lambda _: False
                    if self._stop == "before":
                        self.held.set()
                        self._released.wait()
                upstream.sendall(message)
                response = _message(upstream, has_body=not line.startswith("HEAD "))
                if holds:
                    self.done.set()
                    if self._stop == "after":
                        self.held.set()
                        self._released.wait()
                if response is None:
                    return
                if holds and self._stop == "middle":
                    client.sendall(response[: len(response) // 2])
                    self.held.set()
                    return
                client.sendall(response)
        except OSError:
            pass
        finally:
            for one in (client, upstream):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


def _message(source: socket.socket, *, has_body: bool = True) -> bytes | None:
    """A complete request or response, by its Content-Length; None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = source.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while has_body and len(body) < length:
        more = source.recv(65536)
        if not more:
            return None
        body += more
    return head + b"\r\n\r\n" + body
