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
# MLflow takes half a minute to start on a busy machine.
START_SECONDS = 180


class MissingError(Exception):
    """A program or package that the benchmark needs is not installed."""


@dataclass(frozen=True)
class Target:
    """A server to be measured.

    base: the URL in front of MLflow's own path; authorization: the value of the header
    `Authorization` that the server accepts.
    """

    name: str
    base: str
    pid: int
    authorization: str


class Launcher:
    """Starts servers, which are stopped when `launched` ends. directory: for their files."""

    def __init__(self, directory: Path, cleanup: ExitStack) -> None:
        self.directory = directory
        self.cleanup = cleanup
        self._postgres: EmbeddedPostgreSQL | None = None

    def database(self, name: str) -> str:
        """The URL of a new database, on a PostgreSQL that only the benchmark uses."""
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
        """Start a server, wait until a GET of `url` succeeds, and return the process id.

        pause: seconds between two attempts. Raises RuntimeError, with the end of the server's log,
        where the server does not start.
        """
        log = self.directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**clean_environment(), **(environment or {})},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches only the benchmark, which then stops its servers in order.
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
    """A launcher; its servers are stopped at the end of the block."""
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(TemporaryDirectory(prefix="hokusai-bench-")))
        yield Launcher(directory, cleanup)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process; kill it after ten seconds. That it has ended already is not an error."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def program(name: str) -> str:
    """The path of a program. Raises MissingError where it is not installed."""
    # nginx is installed in a directory that only root has in its PATH.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(
            f"{name} is missing; on Debian: apt-get install -y nginx wrk redis-server"
        )
    return found


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def python(*arguments: str) -> list[str]:
    """A command line of the interpreter that runs this."""
    return [sys.executable, *arguments]


def clean_environment() -> dict[str, str]:
    """This process's environment, without settings of the gateway and of MLflow.

    And without PYTHONDONTWRITEBYTECODE: an installed package has bytecode, and a checkout without
    it would be compiled again at each start.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOKUSAI_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE"))
    }
