"""Starts the backend and the proxies before it, each in a process of its own."""

import getpass
import grp
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
from string import Template
from tempfile import TemporaryDirectory

import httpx

from app.standalone.postgres import EmbeddedPostgreSQL

HERE = Path(__file__).parent
PREFIX = "/api/mlflow"
RUN = "/api/2.0/mlflow/runs/get?run_id=5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d"
START_SECONDS = 60
# No limit that a benchmark could meet; the counting is what costs.
UNLIMITED = 1_000_000_000


class MissingError(Exception):
    """A program that the benchmark needs is not there."""


@dataclass(frozen=True)
class Target:
    """What is measured: a server, by name. base: the URL before MLflow's own path."""

    name: str
    base: str
    pid: int


@dataclass(frozen=True)
class Stack:
    """Everything that runs. key: good at all of them; direct: the backend without a proxy."""

    key: str
    direct: Target
    nginx: Target
    gateway: Target
    textbook: Target


def program(name: str) -> str:
    """The path of a program. Raises MissingError."""
    # nginx is installed where only root looks.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(f"{name} is missing; on Debian: apt-get install -y nginx wrk")
    return found


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Start all of it, and stop it at the end. Raises MissingError or RuntimeError."""
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(TemporaryDirectory(prefix="hokusai-bench-")))
        launcher = _Launcher(directory, cleanup)
        backend_port = _free_port()
        backend = f"http://127.0.0.1:{backend_port}"
        command = [sys.executable, "-m", "benchmarks.backend", str(backend_port)]
        direct = Target("direct", backend, launcher.start("backend", command, backend + RUN))
        gateway, key = _gateway(launcher, backend)
        yield Stack(
            key=key,
            direct=direct,
            nginx=_nginx(launcher, backend_port, key),
            gateway=gateway,
            textbook=_textbook(launcher, backend, key),
        )


class _Launcher:
    def __init__(self, directory: Path, cleanup: ExitStack) -> None:
        self.directory = directory
        self.cleanup = cleanup

    def start(
        self,
        name: str,
        command: list[str],
        url: str,
        *,
        key: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Start a server and wait until `url` answers: its process id."""
        log = self.directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**_environment(), **(environment or {})},
                cwd=HERE.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the benchmark, which stops its servers in order.
                start_new_session=True,
            )
        self.cleanup.callback(_stop, process)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            try:
                if httpx.get(url, headers=headers, trust_env=False).is_success:
                    return process.pid
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{name} did not start:\n{log.read_text()[-2000:]}")


def _gateway(launcher: _Launcher, backend: str) -> tuple[Target, str]:
    """The real one, as it is run in production: a database and an MLflow of somebody else's."""
    postgres = launcher.cleanup.enter_context(
        EmbeddedPostgreSQL(launcher.directory / "postgres", durable=False)
    )
    postgres.create_database("gateway")
    url = f"http://127.0.0.1:{(port := _free_port())}"
    data = launcher.directory / "gateway"
    environment = {
        "HOKUSAI_PORT": str(port),
        "HOKUSAI_DATA_DIR": str(data),
        "HOKUSAI_DATABASE_URL": postgres.url("gateway"),
        "HOKUSAI_MLFLOW_URL": backend,
        "HOKUSAI_RATE_LIMIT": str(UNLIMITED),
    }
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve"]
    pid = launcher.start("gateway", command, f"{url}/livez", environment=environment)
    answer = httpx.post(
        f"{url}/api/admin/keys",
        json={"name": "benchmark", "tenant": "benchmark", "scopes": ["read", "write"]},
        headers={"X-API-Key": (data / "admin.key").read_text().strip()},
        trust_env=False,
    )
    return Target("gateway", url + PREFIX, pid), answer.raise_for_status().json()["key"]


def _nginx(launcher: _Launcher, backend_port: int, key: str) -> Target:
    port = _free_port()
    directory = launcher.directory / "nginx"
    directory.mkdir()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        Template((HERE / "nginx.conf").read_text()).substitute(
            directory=directory,
            user=getpass.getuser(),
            group=grp.getgrgid(os.getgid()).gr_name,
            port=port,
            backend_port=backend_port,
        )
    )
    base = f"http://127.0.0.1:{port}{PREFIX}"
    command = [program("nginx"), "-p", str(directory), "-c", str(configuration)]
    return Target("nginx", base, launcher.start("nginx", command, base + RUN, key=key))


def _textbook(launcher: _Launcher, backend: str, key: str) -> Target:
    port = _free_port()
    base = f"http://127.0.0.1:{port}{PREFIX}"
    command = [sys.executable, "-m", "uvicorn", "benchmarks.textbook:app", "--port", str(port)]
    pid = launcher.start(
        "textbook",
        [*command, "--no-access-log"],
        base + RUN,
        key=key,
        environment={"UPSTREAM": backend, "API_KEY": key},
    )
    return Target("textbook", base, pid)


def _environment() -> dict[str, str]:
    """Ours, without settings of a gateway that may run beside this."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HOKUSAI_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
