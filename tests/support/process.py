"""A gateway in a process of its own, which a test can stop, or kill in the middle."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import httpx

from tests.support.waiting import wait_until


class GatewayProcess:
    """`hokusai-gateway serve` in front of what is there; `settings` as keywords.

    directory: for its log and its data; gateways of one database may share it.
    Runs while the block lasts. Within it, the test may end it and start it again on its port.
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
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_until(self.answers)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def admin_key(self) -> str:
        """The first admin key of the database, where this gateway or one beside it made it."""
        return (self._data / "admin.key").read_text().strip()

    def start(self) -> None:
        """Start it, without waiting until it answers."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from app.cli.main import main; main()", "serve"],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def terminate(self) -> None:
        """SIGTERM: it drains and ends by itself."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, seconds: float) -> int:
        """Its exit code; raises subprocess.TimeoutExpired where it does not end."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL: nothing is cleaned up. Doing it twice is no error."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def answers(self) -> bool:
        """Whether it lives. Raises AssertionError with what it logged if it has ended."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return self.status("/livez") == 200

    def status(self, path: str) -> int | None:
        """The status of a GET, None where there is no answer."""
        try:
            return httpx.get(f"{self.url}{path}", trust_env=False, timeout=10).status_code
        except httpx.TransportError:
            return None
