"""The data directory: its lock, and the secrets that `serve` keeps in it."""

import fcntl
import os
import secrets
import tempfile
from pathlib import Path

from app.core.disk_space import MIN_FREE, describe, free_bytes
from app.core.errors import StartupError
from app.standalone.private_files import create_private, write_private


class DataDirectory:
    """`HOKUSAI_DATA_DIR`. Its methods raise StartupError where a file cannot be written.

    admin_key_file, attestor_key_file: the paths, whether or not the files exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.admin_key_file = self.path / "admin.key"
        self.attestor_key_file = self.path / "attestor.key"
        self._pepper_file = self.path / "pepper"
        self._database_url_file = self.path / "database.url"
        self._lock: int | None = None

    def create(self) -> None:
        """Create the directory with mode 0700 unless it exists; check that it can be written to."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise StartupError(
                f"cannot write to the data directory {self.path}: {error.strerror}; "
                "set HOKUSAI_DATA_DIR to a directory that you own"
            ) from None

    def require_space(self) -> None:
        """Raise StartupError where the disk is too full for a database and artifacts."""
        free = free_bytes(self.path)
        if free is not None and free < MIN_FREE:
            raise StartupError(
                f"{describe(self.path, free)}: free some, or set HOKUSAI_DATA_DIR to a directory "
                "on another disk"
            )

    def lock(self) -> None:
        """Lock the directory against other gateways.

        The lock ends with this process, however that ends.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise StartupError(
                f"the data directory {self.path} is in use by another hokusai-gateway "
                f"(process {owner or 'unknown'}): stop it, or set HOKUSAI_DATA_DIR"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise StartupError(f"cannot lock {self.path}: {error.strerror}") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor

    def unlock(self) -> None:
        """Release the lock.

        The file stays. If it were removed, one process could lock the removed file and another one
        a new file, and both would use the directory.
        """
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write_database_url(self, url: str) -> None:
        """Record the database for the other commands. The file is private: a URL has a password."""
        write_private(self._database_url_file, url)

    def read_database_url(self) -> str | None:
        """The URL that `write_database_url` recorded last, if there is one that can be read."""
        try:
            return self._database_url_file.read_text().strip()
        except OSError:
            return None

    def read_pepper(self) -> str | None:
        """The pepper, if there is one that can be read; none is created."""
        try:
            return self._pepper_file.read_text().strip() or None
        except OSError:
            return None

    def ensure_pepper(self) -> str:
        """The secret that API keys are hashed with, 64 hexadecimal digits; created if missing."""
        if not self._pepper_file.exists() and (self.path / "postgres").exists():
            raise StartupError(
                f"{self._pepper_file} is missing, and without it no API key of this data directory "
                "works: restore the file, or set HOKUSAI_KEY_PEPPER to what it contained"
            )
        try:
            return create_private(self._pepper_file, secrets.token_hex(32))
        except OSError as error:
            raise StartupError(f"cannot write {self._pepper_file}: {error.strerror}") from None

    def ensure_attestor_key(self) -> None:
        """Create the key that signs attestations if it is missing: 64 hexadecimal digits.

        Random 32 bytes are a valid private key of secp256k1 but for a chance of 1 in 2^128.
        """
        try:
            create_private(self.attestor_key_file, secrets.token_hex(32))
        except OSError as error:
            raise StartupError(f"cannot write {self.attestor_key_file}: {error.strerror}") from None
