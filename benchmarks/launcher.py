"""Starts servers, each in a process of its own, and stops them in order."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app.standalone.postgres import EmbeddedPostgreSQL

ROOT = Path(__file__).resolve().parent.parent
# MLflow loads for half a minute on a busy machine.
START_SECONDS = 180


class MissingError(Exception):
    """Something that the benchmark needs is not there."""


@dataclass(frozen=True)
class Target:
    """What is measured: a server, by name.

    base: the URL before MLflow's own path; authorization: the header's value with which it lets
    a caller in.
    """

    name: str
    base: str
    pid: int
    authorization: str


class Launcher:
    """What runs for as long as `launched` lasts. directory: for all that it writes."""

    def __init__(self, directory: Path, cleanup: ExitStack) -> None:
        self.directory = directory
        self.cleanup = cleanup
        self._postgres: EmbeddedPostgreSQL | None = None

    def database(self, name: str) -> str:
        """The URL of a new database, on a PostgreSQL of the benchmark's own."""
        if self._postgres is None:
            self._postgres = self.cleanup.enter_context(
                EmbeddedPostgreSQL(self.directory / "postgres", durable=False)
            )
        self._postgres.create_database(name)
        return self._postgres.url(name)

    def start(
        self,
        name: str,
        command: list[str],
        url: str,
        *,
        authorization: str = "",
        environment: Mapping[str, str] | None = None,
        directory: Path = ROOT,
        pause: float = 0.1,
    ) -> int:
        """Start a server and wait until `url` answers, asked every `pause` s: its process id.

        Raises RuntimeError with the end of its log where it does not.
        """
        log = self.directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**bare_environment(), **(environment or {})},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the benchmark, which stops its servers in order.
                start_new_session=True,
            )
        self.cleanup.callback(stop, process)
        headers = {"Authorization": authorization} if authorization else {}
        end = time.monotonic() + START_SECONDS
        with httpx.Client(headers=headers, trust_env=False, timeout=10) as client:
            while process.poll() is None and time.monotonic() < end:
                try:
                    if client.get(url).is_success:
                        return process.pid
                except httpx.TransportError:
                    pass
                time.sleep(pause)
        raise RuntimeError(f"{name} did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def launched() -> Iterator[Launcher]:
    """A launcher whose servers end with the block."""
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(TemporaryDirectory(prefix="hokusai-bench-")))
        yield Launcher(directory, cleanup)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force after ten seconds. One that has ended is no error."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def program(name: str) -> str:
    """The path of a program. Raises MissingError."""
    # nginx is installed where only root looks.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(
            f"{name} is missing; on Debian: apt-get install -y nginx wrk redis-server"
        )
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def python(*arguments: str) -> list[str]:
    """A command of the interpreter that runs this."""
    return [sys.executable, *arguments]


def bare_environment() -> dict[str, str]:
    """Ours, without settings of a gateway or an MLflow that may run beside this.

    And without the one that lets Python write no bytecode: an installed package has its own, and a
    checkout without any would be compiled anew for each start.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOKUSAI_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE"))
    }
