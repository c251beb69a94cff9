"""A witness in a process of its own, as a user runs it."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from app.control_plane.transparency_log.checkpoint import CheckpointSigner

# The key of the log of a `RunningGateway`, whose attestor's key is fixed.
LOG_KEY = str(CheckpointSigner("hokusai.registry/attestations", b"\xa7" * 32).verifier)


class RunningWitness:
    """Runs while the `with` block lasts. key: the public key. url: of the server.

    program: Python code in place of the command, with the same arguments.
    """

    def __init__(
        self, directory: Path, name: str = "witness.example", program: str | None = None
    ) -> None:
        command = ["-c", program] if program else ["-m", "hokusai"]
        arguments = ["log", "witness", "--log-key", LOG_KEY, "--name", name, "--port", "0"]
        self._process = subprocess.Popen(
            [sys.executable, "-u", *command, *arguments, "--directory", str(directory)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.key = self._process.stdout.readline().removeprefix("Witness ").strip()
        self.url = self._process.stdout.readline().rpartition(" ")[2].strip()
        self.setting = f"{self.key} {self.url}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a power failure does; also if it has ended."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for its end. Returns the exit code, negative for a signal."""
        with suppress(ValueError):  # closed already
            self._process.communicate(timeout=30)
        return self._process.wait(30)
