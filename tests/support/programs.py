"""Programs of a user's, run as in a shell of theirs."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run(
    command: Sequence[str | Path], directory: Path, timeout: float = 240, **variables: str
) -> str:
    """Run a command to its end, with `variables` in its environment: what it printed.

    Raises AssertionError with all it wrote when it fails or takes more than `timeout` seconds.
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
    """No variable of ours that would point to another MLflow, and nothing of the user's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # A user's site-packages must not stand in for what an environment lacks.
    fixed = {"HOME": str(home), "PYTHONNOUSERSITE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return kept | fixed
