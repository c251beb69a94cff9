"""Locked npm packages, for tests that run JavaScript."""

import fcntl
import shutil
from pathlib import Path

import pytest

from tests.support.programs import run


def installed(directory: Path, temporary: pytest.TempPathFactory) -> Path:
    """The directory, after its locked packages are installed if they are missing or out of date.

    Skips the test if node or npm is not installed.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip(f"node and npm are not installed: {directory.name} is untested")
    found = directory / "node_modules" / ".package-lock.json"
    packages = directory / "package-lock.json"
    # One process of the tests at a time: `npm ci` begins by removing what is installed.
    with packages.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists() or found.stat().st_mtime < packages.stat().st_mtime:
            run(["npm", "ci"], directory, npm_config_cache=str(temporary.mktemp("npm")))
    return directory
