"""A gateway of two worker processes, whose metrics are combined."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.redis import RunningRedis, free_port
from tests.support.serve_process import ServeProcess


@contextmanager
def two_workers(
    database_url: str, mlflow_url: str, directory: Path
) -> Iterator[tuple[ServeProcess, int]]:
    """The process, and the port of its metrics. Each worker opens up to 7 connections to MLflow."""
    port = free_port()
    with (
        RunningRedis(directory) as redis,
        ServeProcess(
            directory / "data",
            workers="2",
            metrics_port=str(port),
            redis_url=redis.url,
            database_url=database_url,
            mlflow_url=mlflow_url,
            upstream_connections="7",
        ) as serving,
    ):
        yield serving, port
