"""An independent reader of transparency logs, installed beside the packages of the tests."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_HERE = _ROOT / "tests/control_plane/transparency_log/interop"
_PACKAGES = _ROOT / ".cache/log-reader"


def read_log(prefix: str, key: str, *witnesses: str) -> dict[str, Any]:
    """What `interop/read_log.py` finds below a prefix. key, witnesses: verifier keys.

    Raises AssertionError if the log, a signature or a cosignature is not valid.
    """
    # The locked package comes first; what it needs is installed for the tests anyway.
    variables = {"PYTHONPATH": str(_installed())}
    read = _run([_HERE / "read_log.py", prefix, key, *witnesses], **variables)
    found: dict[str, Any] = json.loads(read)
    return found


def _installed() -> Path:
    if not _PACKAGES.exists():
        own = _PACKAGES.with_name(f"log-reader-{os.getpid()}")
        pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        options = ["--no-deps", "--ignore-requires-python", "--require-hashes"]
        lock = _HERE / "requirements.txt"
        _run([*pip, *options, "--target", own, "--requirement", lock])
        try:
            own.rename(_PACKAGES)
        except OSError:  # another process of the tests was first
            shutil.rmtree(own)
    return _PACKAGES


def _run(arguments: list[str | Path], **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
