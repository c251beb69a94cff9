"""Files that are replaced as a whole: nobody sees half of one, also after an interruption."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Iterator

# Of files for the user alone, and of others, from which the user's umask takes away.
PRIVATE, SHARED = 0o600, 0o666


@contextmanager
def replacing(path: Path, mode: int = SHARED) -> Iterator[IO[bytes]]:
    """A new file, which takes the place of `path` at the end of the block.

    It is on the disk by then. After an exception, such as for a full disk or Ctrl-C, the old file
    is there as it was, and nothing of the new one. A link stays, and the file it leads to is
    replaced.

    Args:
        path: The file, which may exist.
        mode: The permissions of the new file.

    Raises:
        OSError: It cannot be written.
    """
    place = Path(os.path.realpath(path))
    temporary = place.with_name(f".{place.name[:200]}.{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(str(temporary), flags, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
