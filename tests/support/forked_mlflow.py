"""An MLflow server that starts with its modules imported.

A new one imports them twice, which takes seconds of processor time: in MLflow's command, and in the
process with the server, which that starts.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from app.standalone.child_process import ChildProcess
from app.standalone.mlflow import ChildMLflow
from tests.support import forked_process
from tests.support.redis import free_port

# Runs MLflow's command, and in its place, instead of beside it, what that starts.
_COMMAND = """
import os
import runpy
import sys
import mlflow.server

def run(command, extra_env, **_):
    # They read the environment when they are imported.
    for name in [name for name in sys.modules if name.startswith("mlflow.server")]:
        del sys.modules[name]
    os.environ.update(extra_env)
    sys.argv = command[2:]
    runpy.run_module(command[2], run_name="__main__", alter_sys=True)

mlflow.server._exec_cmd = run
sys.argv[0] = "mlflow"
from mlflow.cli import cli
cli()
"""


def start(
    arguments: Sequence[str], directory: Path, environment: Mapping[str, str], output: IO[bytes]
) -> "forked_process.ForkedProcess | subprocess.Popen[bytes]":
    """Start `python -m mlflow *arguments` in one process, in a session of its own.

    While coverage is measured it is a new process, which starts the server beside it.
    """
    if forked_process.is_measured():
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    request = {
        "arguments": ["-c", _COMMAND, *arguments],
        "environment": dict(environment),
        "directory": str(directory),
        "new_session": True,
    }
    server = forked_process.server_with(forked_process.MLFLOW)
    return forked_process.ForkedProcess(server, request, (subprocess.DEVNULL, output, output))


class ForkedMLflow(ChildMLflow):
    """The same in one process, for tests that need a server and do not look at its processes.

    While coverage is measured it is a new process.
    """

    def __init__(self, directory: Path, database_url: str) -> None:
        # It takes the port only after long imports, and again after a restart.
        super().__init__(directory, database_url, port=free_port())
        if not forked_process.is_measured():
            self._child = _Fork(self.name, self._directory, log=self._directory / "mlflow.log")


class _Fork(ChildProcess):
    def start(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Fork a process for `python -m mlflow ...`."""
        with self.log.open("ab") as output:
            # After the interpreter, `-m` and `mlflow`.
            started = start(command[3:], cwd, environment, output)
        self._process = started  # type: ignore[assignment]
