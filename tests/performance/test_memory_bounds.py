"""The memory of a serving process, with clients that do not read their responses."""

import http.client
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.support.serve_process import FreshServeProcess
from tests.support.waiting import wait_until

ARTIFACT = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/endless"
CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"
CLIENTS = 50
# The most bytes held for one client: READ_AHEAD and one read, and as many for the client's socket.
MAX_BYTES = 1_000_000


class Endless(ThreadingHTTPServer):
    """Responds to each request with an endless body. written: chunks so far, of all bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        self.written = 0
        super().__init__(("127.0.0.1", 0), _EndlessResponse)


class _EndlessResponse(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endless

    def do_GET(self) -> None:
        self.send_response(200)
        # A body with a Content-Length may be spliced, without being read.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while self.wfile.write(CHUNK):
                self.server.written += 1
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endless() -> Iterator[Endless]:
    with Endless() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="a socket's buffers differ elsewhere")
def test_clients_that_stop_reading_cost_a_bounded_amount_of_memory(
    tmp_path: Path, new_database: Callable[[], str], endless: Endless
) -> None:
    with (
        FreshServeProcess(
            tmp_path / "data",
            database_url=new_database(),
            mlflow_url=f"http://127.0.0.1:{endless.server_port}",
            tenancy="shared",
        ) as serving,
        ExitStack() as clients,
    ):
        serving.wait_for_status("/livez", 200)
        process = psutil.Process(serving.process.pid)
        before = process.memory_info().rss
        responses = []
        for _ in range(CLIENTS):
            client = http.client.HTTPConnection(serving.url.removeprefix("http://"), timeout=60)
            clients.enter_context(closing(client))
            client.request("GET", ARTIFACT, headers={"X-API-Key": serving.admin_key})
            responses.append(client.getresponse())
            assert responses[-1].status == 200
        wait_until(Unchanged(lambda: endless.written))
        growth = process.memory_info().rss - before
        # The responses were held back, and not aborted.
        assert all(len(response.read(MAX_BYTES)) == MAX_BYTES for response in responses)
    assert growth < CLIENTS * MAX_BYTES


class Unchanged:
    """Whether a number has been the same in the last fifty calls."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._last, self._times = -1, 0

    def __call__(self) -> bool:
        now = self._number()
        self._times = self._times + 1 if now == self._last else 0
        self._last = now
        return self._times >= 50
