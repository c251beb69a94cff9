"""An MLflow server as a child process, on a loopback port and with workspaces for tenants."""

import os
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx

from app.core.errors import StartupError
from app.mlflow.version import OLDEST, OLDEST_RELEASE, release_of
from app.standalone.child_process import ChildProcess, minimal_environment, wait_until_ready
from app.standalone.managed_service import ManagedService

# Long, because the first start creates the tables of MLflow's database.
_START_SECONDS = 240.0
_STOP_SECONDS = 15.0
# MLflow keeps idle connections longer than the gateway's pool does, so that it never closes one on
# which the gateway sends a request. uvloop: without it, uvicorn delays small responses on
# connections that are reused.
_UVICORN = "--timeout-keep-alive 75 --loop uvloop --http httptools --no-access-log"


class ChildMLflow(ManagedService):
    """An `mlflow server` with its records in PostgreSQL and its artifacts on this machine's disk.

    directory: the data directory. Artifacts are stored in `artifacts` in it, and the server's
        output in `mlflow.log`.
    database_url: the `postgresql://` URL of a database that only MLflow uses.
    port: of 127.0.0.1; None takes a free one. Restarts keep it.
    """

    name = "MLflow"

    def __init__(self, directory: Path, database_url: str, port: int | None = None) -> None:
        self._directory = directory.resolve()
        # MLflow writes files to its working directory, so it has one of its own.
        self._working_directory = self._directory / "mlflow"
        self._database_url = database_url
        self._port = port or _free_port()
        self._child = ChildProcess(self.name, self._directory, log=self._directory / "mlflow.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_new(self) -> bool:
        """Whether it has never been started here: the first start takes longer."""
        return not self._working_directory.exists()

    def start(self) -> None:
        """Start the server and wait until it is healthy. Raises StartupError."""
        require_mlflow()
        self._working_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._child.stop_leftover(self._working_directory, _STOP_SECONDS)
        self._launch()
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5) as client:
            wait_until_ready(self._child, lambda: _is_healthy(client), _START_SECONDS)

    def restart(self) -> None:
        """Start the server again after it died, without waiting until it is healthy."""
        # `mlflow server` is two processes. If one died, the other still holds the port.
        self._child.stop(0)
        self._launch()

    def _launch(self) -> None:
        artifacts = self._directory / "artifacts"
        command = [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"),
            *("--enable-workspaces", "--serve-artifacts"),
            *("--artifacts-destination", str(artifacts), "--uvicorn-opts", _UVICORN),
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
