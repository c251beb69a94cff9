"""A stand-in for a gateway: answers in the order that a test gives, faults among them."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Mapping, Union


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


class Reset:
    """The connection ends with a reset in place of an answer."""


class HalfAnswer:
    """The connection ends in the middle of an answer."""


Step = Union[Answer, Reset, HalfAnswer, Callable[[Request], Answer]]


def problem(status: int, reason: str, **headers: str) -> Answer:
    """The gateway's problem document."""
    return Answer(
        status,
        {
            "status": status,
            "reason": reason,
            "message": f"It was {reason}.",
            "error_code": "INTERNAL_ERROR",
            "request_id": "r-1",
        },
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


class ScriptedServer:
    """Serves on loopback for as long as the `with` block lasts. The last answer is repeated."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._steps: list[Step] = [Answer(document={})]
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.origin}/api/mlflow"

    def answers(self, *steps: Step) -> None:
        """What the next requests get."""
        self._steps = list(steps)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _next(self, request: Request) -> Step:
        with self._lock:
            self.requests.append(request)
            return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one piece: the second of two small ones would wait for the first's
            # acknowledgement.
            wbufsize = -1

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(
                    self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
                )
                step = owner._next(request)
                if isinstance(step, (Reset, HalfAnswer)):
                    self._break(step)
                    return
                self._send(step if isinstance(step, Answer) else step(request))

            def _send(self, answer: Answer) -> None:
                text = answer.text if answer.text is not None else json.dumps(answer.document)
                body = text.encode()
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def _break(self, how: Reset | HalfAnswer) -> None:
                if isinstance(how, HalfAnswer):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                    self.wfile.flush()
                else:
                    # With no time to linger, closing sends a reset.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                # What the base class would flush is gone with the connection.
                self.wfile = _Nowhere()  # type: ignore[assignment]

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a connection that a test broke


class _Nowhere:
    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class Pause:
    """A clock that stands still but where somebody sleeps; `slept` has the seconds of each."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now
