"""Files that only this user may read, written whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 in one step; an older file is replaced. Raises OSError."""
    draft = _write_draft(path, text)
    draft.replace(path)


def create_private(path: Path, text: str) -> str:
    """Write `text` with mode 0600 unless the file exists; return what the file holds.

    Of several processes that do so at the same time, all return the text of the first one. Raises
    OSError.
    """
    if not path.exists():
        draft = _write_draft(path, text)
        # A link fails where the file exists; a rename would replace it.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


def _write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    return draft
