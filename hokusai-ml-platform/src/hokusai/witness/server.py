"""The HTTP server of a witness: `POST /add-checkpoint` (C2SP tlog-witness)."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from hokusai.witness.service import MAX_REQUEST, Refused, Witness

PATH = "/add-checkpoint"
# Seconds for which a client may keep a connection waiting, and how many are served at a time.
TIMEOUT = 10.0
MAX_CONNECTIONS = 32


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness."""

    daemon_threads = True

    def __init__(
        self, host: str, port: int, witness: Witness, log: Callable[[str], Any] = print
    ) -> None:
        """Listen on an address.

        Args:
            host: The address; IPv4, or a name.
            port: The port; 0 for any free one.
            witness: The witness.
            log: Called with a line for each request that is decided.
        """
        self.witness = witness
        self.log = log
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, or close it while too many are open."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT
    server: WitnessServer

    def do_POST(self) -> None:
        try:
            text = self.server.witness.add_checkpoint(self._body())
        except Refused as refusal:
            self.server.log(f"refused with {refusal.status}: {refusal.text.strip()}")
            self._respond(refusal.status, refusal.text, refusal.content_type)
        except Exception as error:  # such as a full disk: nothing was cosigned
            self.server.log(f"failed: {error}")
            self._respond(500, "The witness failed. Try again later.")
        else:
            self.server.log("cosigned a checkpoint")
            self._respond(200, text)

    def do_GET(self) -> None:
        if self.path == PATH:
            self._respond(405, "Use POST.")
        else:
            self._respond(404, "There is no such path.")

    def _body(self) -> bytes:
        if self.path != PATH:
            raise Refused(404, "There is no such path.")
        try:
            length = int(self.headers["Content-Length"])
        except (TypeError, ValueError):
            raise Refused(411, "Send the length of the body in Content-Length.") from None
        if not 0 <= length <= MAX_REQUEST:
            raise Refused(413, f"The body has more than {MAX_REQUEST} bytes.")
        return self.rfile.read(length)

    def _respond(
        self, status: int, text: str, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is inherited
        """Write nothing for each request: the outcomes are logged."""
