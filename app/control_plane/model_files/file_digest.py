"""The SHA-256 of a file as far as it has been received."""

import asyncio
from hashlib import sha256
from typing import NamedTuple

from app.control_plane.model_files.hashing import ModelFile

# Bytes that are collected before a thread hashes them; fewer are hashed at once.
IN_THREAD = 512 * 1024


class ReadFile(NamedTuple):
    """A file that was read, and the ETag that it had in MLflow; None without one."""

    file: ModelFile
    version: str | None


class FileDigest:
    """Hashes one file, also over several responses, each of which goes on where one ended.

    path, size: as MLflow lists the file; the size is None where it does not say it. version: the
    ETag of the responses. received: bytes that have been hashed, or wait for a thread.
    """

    def __init__(self, path: str, size: int | None) -> None:
        self.path = path
        self.size = size
        self.version: str | None = None
        self.received = 0
        self._digest = sha256()
        self._pieces: list[bytes] = []
        self._collected = 0

    def begin(self, start: int, version: str | None) -> None:
        """Prepare for a response. start: 0, or `received`, which goes on where the last one ended.

        Without an equal ETag nothing is continued: the two parts could be of different files.
        """
        if start == 0:
            self._digest, self.received = sha256(), 0
            self._pieces.clear()
            self._collected = 0
        elif start != self.received or version is None or version != self.version:
            raise AssertionError("a digest of two different files")
        self.version = version

    async def update(self, piece: bytes) -> None:
        """Add what was received; a thread hashes it, so that requests do not wait for it."""
        self._pieces.append(piece)
        self._collected += len(piece)
        self.received += len(piece)
        if self._collected >= IN_THREAD:
            await asyncio.to_thread(self._hash)

    def finish(self) -> ReadFile:
        """The file, once all of it has been received."""
        self._hash()
        return ReadFile(ModelFile(self.path, self.received, self._digest.hexdigest()), self.version)

    def _hash(self) -> None:
        # One by one: hashlib lets other threads run during each.
        for piece in self._pieces:
            self._digest.update(piece)
        self._pieces.clear()
        self._collected = 0
