"""A gateway in a process of its own, which a test can kill in the middle."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import httpx

from tests.support.waiting import wait_until


class GatewayProcess:
    """`hokusai-gateway serve` in front of what is there; `settings` as keywords. Runs while the
    block lasts.
    """

    def __init__(self, directory: Path, port: int, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = directory / f"gateway-{port}.log"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("HOKUSAI_")
        }
        environment |= {"HOKUSAI_PORT": str(port)}
        environment |= {f"HOKUSAI_{name.upper()}": value for name, value in settings.items()}
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from app.cli import main; main()", "serve"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        wait_until(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL: nothing is cleaned up. Doing it twice is no error."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/livez", trust_env=False).is_success
        except httpx.HTTPError:
            return False
