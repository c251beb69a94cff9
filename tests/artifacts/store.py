"""An S3 that runs here, and an MLflow server whose artifacts are in it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Self

import boto3  # type: ignore[import-untyped]
import httpx
from botocore.config import Config  # type: ignore[import-untyped]

from tests.support import forked_mlflow
from tests.support.forked_process import ForkedProcess
from tests.support.redis import free_port
from tests.support.waiting import wait_until

BUCKET = "artifacts"
# MLflow imports for long on a busy machine, and makes its tables.
PATIENCE = 240
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAOFTHETESTS",
    "AWS_SECRET_ACCESS_KEY": "secret of the tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    # It would look for more than it is given, on the network too.
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class Server:
    """A Python module that serves HTTP on a port of its own while the `with` block lasts.

    health: the path whose answer says that it is ready.
    """

    def __init__(
        self, directory: Path, module: str, *arguments: str, health: str, **variables: str
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._health = health
        self.log = directory / f"{module}.log"
        self._directory = directory
        self._module = module
        self._arguments = [*arguments, "--port", str(self.port)]
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **variables}

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = self._start(log)
        try:
            wait_until(self._answers, PATIENCE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # MLflow is several processes; the group is this one's alone.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _start(self, log: IO[bytes]) -> "ForkedProcess | subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", self._module, *self._arguments],
            cwd=self._directory,
            env=self._environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            answer = httpx.get(f"{self.url}{self._health}", trust_env=False, timeout=10)
        except httpx.TransportError:
            return False
        return answer.is_success


class MLflow(Server):
    """MLflow's command, by `forked_mlflow`."""

    def _start(self, log: IO[bytes]) -> "ForkedProcess | subprocess.Popen[bytes]":
        return forked_mlflow.start(self._arguments, self._directory, self._environment, log)


def s3_server(directory: Path) -> Server:
    """moto's S3, empty."""
    return Server(directory, "moto.server", "--host", "127.0.0.1", health="/moto-api/data.json")


def s3_client(server: Server) -> Any:
    """boto3's client of that S3, for the operator: it sees everything."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=Config(proxies={}),
    )


def mlflow_server(directory: Path, database_url: str, s3: Server) -> Server:
    """MLflow as docs/artifacts.md has it: workspaces, and artifacts in the bucket."""
    _, _, address = database_url.partition("://")
    return MLflow(
        directory,
        "mlflow",
        *("server", "--host", "127.0.0.1", "--workers", "1"),
        *("--enable-workspaces", "--serve-artifacts"),
        *("--artifacts-destination", f"s3://{BUCKET}/mlflow"),
        health="/health",
        MLFLOW_BACKEND_STORE_URI=f"postgresql+psycopg2://{address}",
        MLFLOW_S3_ENDPOINT_URL=s3.url,
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        MLFLOW_DISABLE_TELEMETRY="true",
        **CREDENTIALS,
    )
