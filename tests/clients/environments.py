"""Environments of other Pythons and older MLflow clients, from the lock files beside this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# `python3.8` has the lock python3.8.lock, made from python3.8.in by `make lock`.
NAMES = ("python3.8", "python3.9", "python3.10", "python3.11", "python3.13")

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_ENVIRONMENTS = _ROOT / ".venv" / "clients"


def find_interpreter(name: str) -> Path | None:
    """A Python of that name, such as `python3.8`, that really runs: on the PATH, or of pyenv's."""
    version = name.removeprefix("python")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        *(Path(folder, name) for folder in os.get_exec_path()),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}")),
    ]
    return next((python for python in candidates if _runs(python, version)), None)


def _runs(python: Path, version: str) -> bool:
    # A name can exist and not work, as pyenv's shims do for a version that is not switched on.
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip() == version


def make_environment(name: str, interpreter: Path) -> Path:
    """Install what the lock file says, unless it is there already: the environment's Python.

    Raises AssertionError with pip's output when that fails.
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
    # Last, so that an interrupted installation is begun anew.
    shutil.copyfile(lock, installed)
    return python


def install_sdk(python: Path, wheel: Path) -> None:
    """Install the SDK as it is now; what it depends on has to be there.

    Raises AssertionError with pip's output when that fails.
    """
    _succeed([*_pip(python), "install", "--no-deps", "--no-index", "--force-reinstall", wheel])
    _succeed([*_pip(python), "check"])


def build_sdk(directory: Path) -> Path:
    """The SDK's wheel, built into a directory with the build backend of our own environment."""
    options: list[str | Path] = ["--no-deps", "--no-build-isolation", "--wheel-dir", directory]
    _succeed([*_pip(Path(sys.executable)), "wheel", *options, _ROOT / "hokusai-ml-platform"])
    (wheel,) = directory.glob("*.whl")
    return wheel


def _pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]


def _succeed(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
