"""Processes that start with MLflow imported, which takes a new interpreter seconds each time."""

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support import forked_process

# Imports only: nothing of it talks to a server, starts a thread, or reads a setting.
MODULES = ["mlflow", "mlflow.pyfunc", "mlflow.sklearn", "sklearn.ensemble", "pandas", "hokusai"]
# The code of the process that `run` forks.
_START = "from tests.support.preloaded import start; start()"


def run(
    arguments: Sequence[str],
    directory: Path,
    files: tuple[Path, Path, Path],
    variables: dict[str, str],
    timeout: float,
) -> int | None:
    """Run `python *arguments` in `directory`, with these environment variables and no others.

    arguments: a script, `-c` and code, or `-m` and a module, and then its own arguments.
    files: standard input, standard output and standard error.
    Returns the exit code, or None for a process that was killed after `timeout` seconds.
    """
    words = ["-c", _START, str(inference_server() or ""), *arguments]
    request = {
        "arguments": words,
        "environment": variables,
        "directory": str(directory),
        "new_session": False,
    }
    server = forked_process.server_with(forked_process.PROGRAMS)
    with files[0].open("rb") as given, files[1].open("wb") as output, files[2].open("wb") as errors:
        process = forked_process.ForkedProcess(server, request, (given, output, errors))
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def start() -> None:
    """Be the program that `run` names, in the process that it has forked."""
    server, *arguments = sys.argv[1:]
    infer_requirements_in_forks(Path(server) if server else None)
    match arguments:
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            sys.path[0] = ""
            exec(code, {"__name__": "__main__"})  # noqa: S102
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            sys.path[0] = str(Path.cwd())
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *rest]:
            sys.argv = [script, *rest]
            sys.path[0] = str(Path(script).parent)
            runpy.run_path(script, run_name="__main__")


def inference_server() -> Path | None:
    """The fork server for `infer_requirements_in_forks`; None while coverage is measured."""
    if forked_process.is_measured():
        return None
    return forked_process.server_with(forked_process.INFERENCE)


def infer_requirements_in_forks(server: Path | None) -> None:
    """Let MLflow infer the requirements of each model in a process that has imported MLflow.

    It loads the model in a new process to see what that imports. A fork of a process that has
    imported what MLflow's script does, and nothing else, sees the same.
    """
    if server is None:
        return
    from mlflow.utils import requirements_utils

    run_command: Callable[..., None] = requirements_utils._run_command

    def run_in_fork(
        command: list[str], timeout_seconds: float, env: dict[str, str] | None = None
    ) -> None:
        if not command[1].endswith("_capture_modules.py"):
            run_command(command, timeout_seconds, env)
            return
        request = forked_process.request(command[1:], env or os.environ)
        with tempfile.TemporaryFile() as output:
            process = forked_process.ForkedProcess(
                server, request, (subprocess.DEVNULL, output, output)
            )
            try:
                code = process.wait(timeout_seconds)
            finally:
                process.kill()
            output.seek(0)
            assert code == 0, output.read().decode()

    requirements_utils._run_command = run_in_fork
