"""The data directory: who may use it, and the secrets in it."""

import fcntl
import os
import secrets
import tempfile
from pathlib import Path

from app.core.errors import StartupError
from app.standalone.private_files import create_private, write_private


class DataDirectory:
    """`HOKUSAI_DATA_DIR`, with mode 0700 where it is made here. Raises StartupError throughout."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.admin_key = self.path / "admin.key"
        self.attestor_key = self.path / "attestor.key"
        self._pepper = self.path / "pepper"
        self._database_url = self.path / "database.url"
        self._lock: int | None = None

    def create(self) -> None:
        """Make the directory unless it is there, and try whether files can be made in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise StartupError(
                f"cannot write to the data directory {self.path}: {error.strerror}; "
                "set HOKUSAI_DATA_DIR to a directory that you own"
            ) from None

    def lock(self) -> None:
        """Keep others out for as long as this process lives, however it ends."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise StartupError(
                f"the data directory {self.path} is in use by another hokusai-gateway "
                f"(process {holder or 'unknown'}): stop it, or set HOKUSAI_DATA_DIR"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise StartupError(f"cannot lock {self.path}: {error.strerror}") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor

    def unlock(self) -> None:
        """Let others in again. The file stays: removing it would let two in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def note_database(self, url: str) -> None:
        """Write down where the database is, for the other commands; the URL has a password."""
        write_private(self._database_url, url)

    def database_url(self) -> str | None:
        """What `note_database` wrote last."""
        try:
            return self._database_url.read_text().strip()
        except OSError:
            return None

    def known_pepper(self) -> str | None:
        """The pepper, if it was made already and can be read; nothing is made."""
        try:
            return self._pepper.read_text().strip() or None
        except OSError:
            return None

    def pepper(self) -> str:
        """The secret that API keys are hashed with, as 64 hexadecimal digits; made once."""
        if not self._pepper.exists() and (self.path / "postgres").exists():
            raise StartupError(
                f"{self._pepper} is missing, and without it no API key of this data directory "
                "works: put it back, or set HOKUSAI_KEY_PEPPER to what it was"
            )
        try:
            return create_private(self._pepper, secrets.token_hex(32))
        except OSError as error:
            raise StartupError(f"cannot keep {self._pepper}: {error.strerror}") from None

    def make_attestor_key(self) -> None:
        """The key that signs attestations, as 64 hexadecimal digits in `attestor_key`; made once.

        Any 32 bytes are a key of secp256k1, but for a chance of 1 in 2^128.
        """
        try:
            create_private(self.attestor_key, secrets.token_hex(32))
        except OSError as error:
            raise StartupError(f"cannot keep {self.attestor_key}: {error.strerror}") from None
