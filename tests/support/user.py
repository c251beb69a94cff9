"""A user of the gateway: a fresh process in which the MLflow client is set up, and nothing else."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


# Imports only: nothing of it talks to a server, starts a thread, or reads a setting.
PRELOADED = ["mlflow", "mlflow.pyfunc", "mlflow.sklearn", "sklearn.ensemble", "pandas"]


class User:
    """Runs functions of a test module in one process of its own, so that what the MLflow client
    keeps globally (active runs, tracers, autologging, warnings) cannot reach other tests.

    variables: for its environment, such as MLFLOW_TRACKING_URI.
    """

    def __init__(self, directory: Path, **variables: str) -> None:
        self._process = ProcessPoolExecutor(
            max_workers=1,
            mp_context=_context(),
            initializer=_settle,
            initargs=(directory, variables),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def does(
        self, function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """What the function returns in the user's process; it raises here what it raises there."""
        return self._process.submit(function, *args, **kwargs).result()


@cache
def _context() -> ForkServerContext:
    """Forks each user from a server that has imported MLflow, which takes seconds each time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _settle(directory: Path, variables: dict[str, str]) -> None:
    os.chdir(directory)
    os.environ.update(variables)
