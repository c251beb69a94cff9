"""Locked npm packages, for tests that run JavaScript."""

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
    lock = directory / "package-lock.json"
    if not found.exists() or found.stat().st_mtime < lock.stat().st_mtime:
        run(["npm", "ci"], directory, npm_config_cache=str(temporary.mktemp("npm")))
    return directory
