"""A child MLflow server on a loopback port, with a workspace for each tenant."""

import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx

from app.core.errors import StartupError
from app.mlflow.version import OLDEST, OLDEST_RELEASE, release_of
from app.standalone.child_process import Child, bare_environment, wait_until
from app.standalone.managed_service import Supervised

# The first start makes the tables of MLflow's own database.
_START_SECONDS = 240.0
_STOP_SECONDS = 15.0
# Idle connections outlive those of the gateway's pool, so that none closes under a request.
# uvloop: without it uvicorn delays small answers on connections that are kept open.
_UVICORN = "--timeout-keep-alive 75 --loop uvloop --http httptools --no-access-log"


class ChildMLflow(Supervised):
    """An `mlflow server` whose records are in PostgreSQL and whose artifacts are on this disk.

    directory: the data directory; artifacts go to `artifacts` there, output to `mlflow.log`.
    database_url: a `postgresql://` URL of a database that is MLflow's alone.
    port: on 127.0.0.1; a free one if None. It stays the same over restarts.
    """

    name = "MLflow"

    def __init__(self, directory: Path, database_url: str, port: int | None = None) -> None:
        self._directory = directory.resolve()
        # MLflow leaves files where it works, so it gets a place of its own.
        self._workplace = self._directory / "mlflow"
        self._database_url = database_url
        self._port = port or _free_port()
        self._child = Child(self.name, self._directory, log=self._directory / "mlflow.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_new(self) -> bool:
        """Whether it never ran here: the first start takes longer."""
        return not self._workplace.exists()

    def start(self) -> None:
        """Start the server and wait until it answers. Raises StartupError."""
        require_mlflow()
        self._workplace.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._child.end_stray(self._workplace, _STOP_SECONDS)
        self._launch()
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5) as client:
            wait_until(self._child, lambda: _is_healthy(client), _START_SECONDS)

    def restart(self) -> None:
        """Start the server again after it died, without waiting until it answers."""
        # `mlflow server` is two processes. One that lost the other would hold the port.
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
        environment = bare_environment() | {
            # Not on the command line, where every user of the machine could read the password.
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{address}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            # `python -m` would import from the directory it works in.
            "PYTHONSAFEPATH": "1",
        }
        self._child.start(command, cwd=self._workplace, environment=environment)

    def stop(self) -> None:
        """Stop the server after the requests in flight, within a bound."""
        self._child.stop(_STOP_SECONDS)


def require_mlflow() -> str:
    """The version of the installed MLflow. Raises StartupError unless it has workspaces."""
    try:
        found = version("mlflow")
    except PackageNotFoundError:
        raise StartupError(
            "MLflow is not installed: install the extra `standalone` of hokusai-registry-gateway, "
            "or set HOKUSAI_MLFLOW_URL to a server that runs already"
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
