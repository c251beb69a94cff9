"""An MLflow server as a child process, with workspaces for tenants.

MLflow itself asks for no credential. So it listens on a Unix socket that only this user can reach:
every account of the machine can connect to a loopback port.
"""

import os
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx

from app.core.errors import StartupError
from app.core.settings import UNIX
from app.mlflow.version import OLDEST, OLDEST_RELEASE, release_of
from app.standalone.child_process import ChildProcess, minimal_environment, wait_until_ready
from app.standalone.managed_service import ManagedService
from app.standalone.socket_directory import SocketDirectory

# Long, because the first start creates the tables of MLflow's database.
_START_SECONDS = 240.0
_STOP_SECONDS = 15.0
# The port in the command line of a server that listens on a Unix socket.
_UNUSED_PORT = 5000
# MLflow keeps idle connections longer than the gateway's pool does, so that it never closes one on
# which the gateway sends a request. uvloop: without it, uvicorn delays small responses on
# connections that are reused.
_UVICORN = "--timeout-keep-alive 75 --loop uvloop --http httptools --no-access-log"


class ChildMLflow(ManagedService):
    """An `mlflow server` with its records in PostgreSQL and its artifacts on this machine's disk.

    directory: the data directory. Artifacts are stored in `artifacts` in it, and the server's
        output in `mlflow.log`.
    database_url: the `postgresql://` URL of a database that only MLflow uses.
    tcp: listen on a port of 127.0.0.1 instead of the Unix socket. port: this one instead of a free
        one. Restarts keep the address.
    """

    name = "MLflow"

    def __init__(
        self, directory: Path, database_url: str, *, tcp: bool = False, port: int | None = None
    ) -> None:
        self._directory = directory.resolve()
        # MLflow writes files to its working directory, so it has one of its own.
        self._working_directory = self._directory / "mlflow"
        self._database_url = database_url
        self._port = port or _free_port() if tcp or port else None
        self._sockets = None if self._port else SocketDirectory(self._directory)
        self._child = ChildProcess(self.name, self._directory, log=self._directory / "mlflow.log")

    @property
    def url(self) -> str:
        """HOKUSAI_MLFLOW_URL for this server."""
        if self._sockets is None:
            return f"http://127.0.0.1:{self._port}"
        return f"{UNIX}{self._socket}"

    @property
    def _socket(self) -> Path | None:
        return self._sockets.path / "mlflow.sock" if self._sockets is not None else None

    @property
    def is_new(self) -> bool:
        """Whether it has never been started here: the first start takes longer."""
        return not self._working_directory.exists()

    def start(self) -> None:
        """Start the server and wait until it is healthy. Raises StartupError."""
        require_mlflow()
        self._working_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._child.stop_leftover(self._working_directory, _STOP_SECONDS)
        if self._sockets is not None:
            self._sockets.create()
        self._launch()
        # Without `uds` it connects to the port.
        transport = httpx.HTTPTransport(uds=str(self._socket) if self._socket else None)
        base_url = f"http://127.0.0.1:{self._port or 80}"
        with httpx.Client(base_url=base_url, transport=transport, timeout=5) as client:
            wait_until_ready(self._child, lambda: _is_healthy(client), _START_SECONDS)

    def restart(self) -> None:
        """Start the server again after it died, without waiting until it is healthy."""
        # `mlflow server` is two processes. If one died, the other still holds the port.
        self._child.stop(0)
        self._launch()

    def _launch(self) -> None:
        artifacts = self._directory / "artifacts"
        # Uvicorn prefers a socket to host and port, which MLflow always names.
        options = f"{_UVICORN} --uds {self._socket}" if self._socket else _UVICORN
        command = [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--host", "127.0.0.1", "--port", str(self._port or _UNUSED_PORT), "--workers", "1"),
            *("--enable-workspaces", "--serve-artifacts"),
            *("--artifacts-destination", str(artifacts), "--uvicorn-opts", options),
        ]
        _, _, address = self._database_url.partition("://")
        environment = minimal_environment() | {
            # Not an argument, because every user of the machine can read command lines.
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{address}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            # Some libraries fail for a user without a home directory.
            "HOME": os.environ.get("HOME") or str(self._working_directory),
            # Otherwise `python -m` would import modules from the working directory.
            "PYTHONSAFEPATH": "1",
        }
        self._child.start(command, cwd=self._working_directory, environment=environment)

    def stop(self) -> None:
        """Let the server finish the requests in flight, within a time limit, and stop it."""
        self._child.stop(_STOP_SECONDS)
        if self._sockets is not None:
            self._sockets.remove()


def require_mlflow() -> str:
    """The version of the installed MLflow. Raises StartupError where it is missing or too old."""
    try:
        found = version("mlflow")
    except PackageNotFoundError:
        raise StartupError(
            "MLflow is not installed: install the extra `standalone` of hokusai-registry-gateway, "
            "or set HOKUSAI_MLFLOW_URL to a running server"
        ) from None
    release = release_of(found)
    if release is None or release < OLDEST_RELEASE:
        raise StartupError(
            f"MLflow {found} is too old, {OLDEST} or later is needed: run `make install`, "
            "or set HOKUSAI_MLFLOW_URL to a newer server"
        )
    return found


def _is_healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
