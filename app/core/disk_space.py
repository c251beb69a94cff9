"""The free space of the disk that holds a directory."""

import os
from pathlib import Path

# Bytes below which a database or an upload may fail at any time.
MIN_FREE = 64 * 1024**2
# Bytes below which an operator should act.
LOW_FREE = 1024**3


def free_bytes(path: Path) -> int | None:
    """The bytes that this user can still write there; None where the directory does not exist."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def describe(path: Path, free: int) -> str:
    """`only 12 MB left on the disk of <path>`."""
    return f"only {free // 1024**2} MB left on the disk of {path}"
