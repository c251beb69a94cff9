"""A gateway in its own process, which a test can stop, kill and start again."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Self

import httpx

from tests.support import forked_process
from tests.support.forked_process import ForkedProcess
from tests.support.waiting import wait_until


class GatewayProcess:
    """`hokusai-gateway serve` with these settings; it runs while the `with` block lasts.

    directory: for its log and its data; gateways with the same database may share it.
    Within the block, the test may end the process and start it again on the same port.
    """

    def __init__(self, directory: Path, port: int, **settings: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = directory / f"gateway-{port}.log"
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("HOKUSAI_")
        }
        self._data = directory / "data"
        self._environment |= {"HOKUSAI_PORT": str(port), "HOKUSAI_DATA_DIR": str(self._data)}
        self._environment |= {f"HOKUSAI_{name.upper()}": value for name, value in settings.items()}
        self._process: ForkedProcess | subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_until(self.is_live)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The id of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def admin_key(self) -> str:
        """The database's first admin key, which this gateway or another in its directory made."""
        return (self._data / "admin.key").read_text().strip()

    def start(self) -> None:
        """Start the process, without waiting until it serves."""
        with self.log.open("ab") as output:
            self._process = forked_process.start(
                ["-c", "from app.cli.main import main; main()", "serve"],
                self._environment,
                (subprocess.DEVNULL, output, output),
            )

    def terminate(self) -> None:
        """Send SIGTERM: it drains its connections, then ends by itself."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, seconds: float) -> int:
        """The exit code. Raises subprocess.TimeoutExpired if it does not end in time."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """Send SIGKILL: nothing is cleaned up. A second call does nothing."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def is_live(self) -> bool:
        """Whether /livez responds. Raises AssertionError with its log if the process has ended."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return self.status("/livez") == 200

    def status(self, path: str) -> int | None:
        """The status of a GET; None if there is no response."""
        try:
            return httpx.get(f"{self.url}{path}", trust_env=False, timeout=10).status_code
        except httpx.TransportError:
            return None
