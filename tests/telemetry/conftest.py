"""A gateway with several workers, whose metrics are summed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.redis import RunningRedis, free_port
from tests.support.serve_process import ServeProcess


@pytest.fixture
def two_workers(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> Iterator[tuple[ServeProcess, int]]:
    """A gateway with two workers, each with up to 7 connections to MLflow, and its metrics port."""
    port = free_port()
    with (
        RunningRedis(tmp_path) as redis,
        ServeProcess(
            tmp_path / "data",
            workers="2",
            metrics_port=str(port),
            redis_url=redis.url,
            database_url=new_database(),
            mlflow_url=mlflow_server.url,
            upstream_connections="7",
        ) as serving,
    ):
        yield serving, port
