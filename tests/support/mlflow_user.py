"""A user of the gateway: a new process with a configured MLflow client, and nothing else."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from tests.support import preloaded

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class MLflowUser:
    """Calls functions of a test module in one separate process, so that the MLflow client's global
    state (active runs, tracers, autologging, warnings) cannot affect other tests.

    variables: environment variables of the process, such as MLFLOW_TRACKING_URI.
    """

    def __init__(self, directory: Path, **variables: str) -> None:
        self._process = ProcessPoolExecutor(
            max_workers=1,
            mp_context=preloaded.context(),
            initializer=_set_up,
            initargs=(directory, variables, preloaded.inference_server()),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call the function in the user's process: returns or raises what it returns or raises."""
        return self._process.submit(function, *args, **kwargs).result()


def _set_up(directory: Path, variables: dict[str, str], server: Path | None) -> None:
    preloaded.infer_requirements_in_forks(server)
    os.chdir(directory)
    os.environ.update(variables)
