"""Programs, run as in a user's shell."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support import preloaded


def run(
    command: Sequence[str | Path], directory: Path, timeout: float = 240, **variables: str
) -> str:
    """The output of a command; `variables` are added to its environment.

    Raises AssertionError with its output if it fails, or runs for more than `timeout` seconds.
    """
    done = finish(command, directory, _shell(directory) | variables, timeout=timeout)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def finish(
    command: Sequence[str | Path],
    directory: Path,
    variables: dict[str, str],
    stdin: str = "",
    timeout: float = 240,
) -> subprocess.CompletedProcess[str]:
    """The result of a command, with these environment variables alone.

    A program for the Python of the tests starts with MLflow imported. Raises AssertionError if it
    runs for more than `timeout` seconds.
    """
    arguments = [str(word) for word in command]
    code: int | None
    with tempfile.TemporaryDirectory() as made:
        files = Path(made, "in"), Path(made, "out"), Path(made, "err")
        files[0].write_text(stdin)
        if arguments[0] == sys.executable:
            code = preloaded.run(arguments[1:], directory, files, variables, timeout)
        else:
            code = _run(arguments, directory, files, variables, timeout)
        output, errors = (path.read_text() if path.exists() else "" for path in files[1:])
    assert code is not None, f"{command} did not end within {timeout:g} s:\n{output}\n{errors}"
    return subprocess.CompletedProcess(arguments, code, output, errors)


def _run(
    arguments: Sequence[str],
    directory: Path,
    files: tuple[Path, Path, Path],
    variables: dict[str, str],
    timeout: float,
) -> int | None:
    with files[0].open() as given, files[1].open("w") as output, files[2].open("w") as errors:
        try:
            return subprocess.run(
                arguments,
                cwd=directory,
                env=variables,
                stdin=given,
                stdout=output,
                stderr=errors,
                timeout=timeout,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def _shell(home: Path) -> dict[str, str]:
    """An environment without variables that name another MLflow, and without user settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # Otherwise the user's site-packages could provide what a virtual environment lacks.
    fixed = {"HOME": str(home), "PYTHONNOUSERSITE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return kept | fixed
