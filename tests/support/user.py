"""A user of the gateway: a fresh process in which the MLflow client is set up, and nothing else."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class User:
    """Runs functions of a test module in one process of its own, so that what the MLflow client
    keeps globally (active runs, tracers, autologging, warnings) cannot reach other tests.

    variables: for its environment, such as MLFLOW_TRACKING_URI.
    """

    def __init__(self, directory: Path, **variables: str) -> None:
        self._process = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_settle,
            initargs=(directory, variables),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.shutdown()

    def does(
        self, function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """What the function returns in the user's process; it raises here what it raises there."""
        return self._process.submit(function, *args, **kwargs).result()


def _settle(directory: Path, variables: dict[str, str]) -> None:
    os.chdir(directory)
    os.environ.update(variables)
