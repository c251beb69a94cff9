"""A user of the gateway: a new process with a configured MLflow client, and nothing else."""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from tests.support import forked_process, preloaded

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_SERVE = "from tests.support.mlflow_user import serve; serve()"


class MLflowUser:
    """Calls functions of a test module in one separate process, so that the MLflow client's global
    state (active runs, tracers, autologging, warnings) cannot affect other tests.

    variables: environment variables of the process, such as MLFLOW_TRACKING_URI.
    """

    def __init__(self, directory: Path, **variables: str) -> None:
        request = {
            "arguments": ["-c", _SERVE, str(preloaded.inference_server() or "")],
            "environment": {**os.environ, **variables},
            "directory": str(directory),
            "new_session": False,
        }
        own, given = socket.socketpair()
        server = forked_process.server_with(forked_process.PROGRAMS)
        with given:
            self._process = forked_process.ForkedProcess(server, request, (given.fileno(), 1, 2))
        self._connection: Connection[Any, Any] = Connection(own.detach())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.wait()

    def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call the function in the user's process: returns or raises what it returns or raises."""
        self._connection.send((function, args, kwargs))
        result, error = self._connection.recv()
        if error is not None:
            raise error
        returned: Result = result
        return returned


def serve() -> None:
    """Be the process of a user: call functions until its other end is closed."""
    server = sys.argv[1]
    preloaded.infer_requirements_in_forks(Path(server) if server else None)
    connection: Connection[Any, Any] = Connection(os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    with suppress(EOFError):
        while True:
            function, args, kwargs = connection.recv()
            try:
                connection.send((function(*args, **kwargs), None))
            except BaseException as error:
                error.add_note(traceback.format_exc())
                connection.send((None, error))
