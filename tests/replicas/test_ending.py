"""Shutdown has a time limit: a client that stalls does not keep the process alive."""

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.redis import free_port
from tests.support.training import Training

SIZE = 50 * 1024 * 1024
PATIENCE = 120


def test_a_transfer_longer_than_the_grace_period_is_aborted_and_never_looks_complete(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> None:
    database = new_database()
    secrets = {"key_pepper": "pepper of the tests", "attestor_key": "a7" * 32}
    with (
        RunningGateway(database, mlflow_server.url, **secrets) as staying,
        Training.of(staying) as training,
        GatewayProcess(
            tmp_path,
            free_port(),
            database_url=database,
            mlflow_url=mlflow_server.url,
            shutdown_grace_period="1",
            **secrets,
        ) as ending,
    ):
        run = training.mlflow("runs/create", experiment_id="0")["run"]["info"]
        root = run["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
        file = f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{root}/large.bin"
        put = training.client.put(file, content=os.urandom(SIZE))
        assert put.status_code == 200, put.text
        headers = {"Authorization": training.client.headers["Authorization"]}
        with (
            httpx.Client(
                base_url=ending.url, headers=headers, timeout=60, trust_env=False
            ) as client,
            client.stream("GET", file) as download,
        ):
            chunks = download.iter_raw()
            next(chunks)
            ending.terminate()
            assert ending.wait(PATIENCE) == 0
            with pytest.raises(httpx.RemoteProtocolError):
                list(chunks)
