"""Files in the data directory that nobody else may read, and that are whole or absent."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 in one step, replacing an older one. Raises OSError."""
    draft = _draft(path, text)
    draft.replace(path)


def create_private(path: Path, text: str) -> str:
    """The file's text, after writing `text` with mode 0600 if there was no such file.

    Of several processes that race, all get the text of the one that came first. Raises OSError.
    """
    if not path.exists():
        draft = _draft(path, text)
        # A link, unlike a rename, never replaces.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    return draft
