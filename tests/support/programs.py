"""Programs, run as in a user's shell."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run(
    command: Sequence[str | Path], directory: Path, timeout: float = 240, **variables: str
) -> str:
    """The output of a command; `variables` are added to its environment.

    Raises AssertionError with its output if it fails, or runs for more than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=_shell(directory) | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(f"{command} did not end within {timeout:g} s") from expired
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _shell(home: Path) -> dict[str, str]:
    """An environment without variables that name another MLflow, and without user settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # Otherwise the user's site-packages could provide what a virtual environment lacks.
    fixed = {"HOME": str(home), "PYTHONNOUSERSITE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return kept | fixed
