"""A scripted HTTP server in place of a gateway, and a clock that tests control."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, Mapping, Union

if TYPE_CHECKING:
    from hokusai.client import GatewayClient

KEY = "hk_live_of_the_tests"


@dataclass
class Request:
    """A request that the server received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Response:
    """A response to send: a JSON document, or else a text."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


class ConnectionReset:
    """Reset the connection instead of sending a response."""


class TruncatedResponse:
    """Close the connection in the middle of a response."""


Step = Union[Response, ConnectionReset, TruncatedResponse, Callable[[Request], Response]]


def problem(status: int, reason: str, **headers: str) -> Response:
    """An error response of the gateway. Headers are named with underscores: `Retry_After="3"`."""
    return Response(
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
    """Serves on a loopback port inside a `with` block.

    Attributes:
        requests: The requests received so far.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._steps: list[Step] = [Response(document={})]
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

    def respond_with(self, *steps: Step) -> None:
        """Set the responses to the next requests; the last one is repeated."""
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
            # Write head and body at once. Otherwise Nagle's algorithm would delay the second of two
            # small packets until the first is acknowledged.
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
                if isinstance(step, (ConnectionReset, TruncatedResponse)):
                    self._break(step)
                    return
                self._send(step if isinstance(step, Response) else step(request))

            def _send(self, response: Response) -> None:
                text = response.text if response.text is not None else json.dumps(response.document)
                body = text.encode()
                self.send_response_only(response.status)
                headers = {"Content-Length": str(len(body)), **response.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def _break(self, fault: ConnectionReset | TruncatedResponse) -> None:
                if isinstance(fault, TruncatedResponse):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                    self.wfile.flush()
                else:
                    # With a linger time of zero, closing sends a reset.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                # The base class would flush to the closed connection.
                self.wfile = _Nowhere()  # type: ignore[assignment]

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client of a test that closed its connection


class _Nowhere:
    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class FakeClock:
    """A clock that only moves when something sleeps on it.

    Attributes:
        slept: The seconds of each sleep.
        now: The time, in seconds.
    """

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def time(self) -> float:
        return self.now


def make_client(server: ScriptedServer, clock: FakeClock, **options: Any) -> GatewayClient:
    """A client of the scripted gateway, with an API key, that sleeps on the fake clock."""
    from hokusai.client import GatewayClient
    from hokusai.credentials import Credential
    from hokusai.gateway_url import GatewayURL
    from hokusai.rate_limit import RateLimiter

    return GatewayClient(
        GatewayURL.parse(server.url),
        Credential(KEY, False, "a test"),
        rate_limiter=RateLimiter(sleep=clock.sleep, clock=clock.time),
        **options,
    )
