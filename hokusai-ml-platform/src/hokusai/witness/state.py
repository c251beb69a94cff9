"""What a witness has cosigned: the newest checkpoint of each log, on disk."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hokusai.errors import InputError
from hokusai.whole_files import PRIVATE, replacing


@dataclass(frozen=True)
class Seen:
    """The newest checkpoint of a log that the witness has cosigned.

    Attributes:
        size: The number of entries.
        root: The root hash, 32 bytes.
        time: When, in seconds since 1970-01-01 UTC.
    """

    size: int
    root: bytes
    time: int


class WitnessState:
    """The files of a witness, which one process at a time uses."""

    def __init__(self, directory: Path) -> None:
        """Lock the directory until the process ends.

        Raises:
            InputError: Another process has locked it.
            OSError: It cannot be created or written.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        # Open until the process ends.
        self._lock = open(directory / "lock", "a")  # noqa: SIM115
        try:
            _lock(self._lock)
        except OSError:
            self._lock.close()
            raise InputError(f"Another witness is running with {directory}.") from None

    def close(self) -> None:
        """Leave the directory to other processes."""
        self._lock.close()

    def seen(self, origin: str) -> Seen | None:
        """Return what was cosigned of a log, or None.

        Raises:
            InputError: The file is not one of a witness.
            OSError: The file cannot be read.
        """
        path = self._path(origin)
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return Seen(document["size"], bytes.fromhex(document["root"]), document["time"])
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path} is not a file of a witness.") from None

    def save(self, origin: str, seen: Seen, note: str) -> None:
        """Write what is going to be cosigned. On return it is on the disk.

        Args:
            origin: The log.
            seen: The checkpoint.
            note: The signed note, which is kept as well.

        Raises:
            OSError: It cannot be written.
        """
        document = {"origin": origin, "size": seen.size, "root": seen.root.hex()}
        self._write(self._path(origin), {**document, "time": seen.time, "note": note})

    def save_fork(self, origin: str, note: str, seen: Seen) -> None:
        """Keep a checkpoint that contradicts what was cosigned, as evidence; only the first.

        Raises:
            OSError: It cannot be written.
        """
        path = self._path(origin).with_suffix(".fork.json")
        if not path.exists():
            document = {"origin": origin, "note": note, "cosigned_size": seen.size}
            self._write(path, {**document, "cosigned_root": seen.root.hex()})

    def _path(self, origin: str) -> Path:
        return self.directory / f"{hashlib.sha256(origin.encode()).hexdigest()}.json"

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        with replacing(path, PRIVATE) as file:
            file.write(json.dumps(document, indent=2).encode())
        _sync_directory(self.directory)


def _sync_directory(directory: Path) -> None:
    """Write the new name of a file to the disk; Windows does it by itself."""
    if sys.platform != "win32":
        handle = os.open(str(directory), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
