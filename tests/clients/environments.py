"""Environments with other Pythons and MLflow clients, from the lock files in this folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The environment `python3.8` is described by python3.8.lock, which `make lock` makes from
# python3.8.in.
NAMES = ("python3.8", "python3.9", "python3.10", "python3.11", "python3.13")

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_ENVIRONMENTS = _ROOT / ".venv" / "clients"


def find_interpreter(name: str) -> Path | None:
    """Find a working Python by its name, such as `python3.8`, on the PATH or among pyenv's.

    None if there is none.
    """
    version = name.removeprefix("python")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        *(Path(folder, name) for folder in os.get_exec_path()),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}")),
    ]
    return next((python for python in candidates if _runs(python, version)), None)


def _runs(python: Path, version: str) -> bool:
    # A name may exist and not work: pyenv's shims fail for versions that are not activated.
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        finished = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return finished.stdout.strip() == version


def make_environment(name: str, interpreter: Path) -> Path:
    """Make the environment of a lock file, unless it exists already, and return its Python.

    Raises AssertionError with pip's output if the installation fails.
    """
    home = _ENVIRONMENTS / name
    python = home / "bin" / "python"
    lock = _HERE / f"{name}.lock"
    installed = home / "installed.lock"
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return python
    shutil.rmtree(home, ignore_errors=True)
    _succeed([interpreter, "-m", "venv", home])
    _succeed([*_pip(python), "install", "--require-hashes", "--requirement", lock])
    # Written last, so that an interrupted installation is repeated.
    shutil.copyfile(lock, installed)
    return python


def install_sdk(python: Path, wheel: Path) -> None:
    """Install the SDK's wheel in an environment that has its dependencies already.

    Raises AssertionError with pip's output if the installation fails.
    """
    _succeed([*_pip(python), "install", "--no-deps", "--no-index", "--force-reinstall", wheel])
    _succeed([*_pip(python), "check"])


def build_sdk(directory: Path) -> Path:
    """Build the SDK's wheel in a directory, with the build backend of this environment."""
    options: list[str | Path] = ["--no-deps", "--no-build-isolation", "--wheel-dir", directory]
    _succeed([*_pip(Path(sys.executable)), "wheel", *options, _ROOT / "hokusai-ml-platform"])
    (wheel,) = directory.glob("*.whl")
    return wheel


def _pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]


def _succeed(command: list[str | Path]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{command} failed:\n{finished.stdout}\n{finished.stderr}"
