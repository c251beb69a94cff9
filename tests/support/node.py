"""Locked npm packages, for tests that run JavaScript."""

import shutil
from pathlib import Path

import pytest

from tests.support.programs import run


def installed(directory: Path, temporary: pytest.TempPathFactory) -> Path:
    """The directory, with its locked packages: installed if they are not there, or others.

    Skips the test where node or npm is not on the machine.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip(f"node and npm are not here: {directory.name} is untested")
    found = directory / "node_modules" / ".package-lock.json"
    lock = directory / "package-lock.json"
    if not found.exists() or found.stat().st_mtime < lock.stat().st_mtime:
        run(["npm", "ci"], directory, npm_config_cache=str(temporary.mktemp("npm")))
    return directory
