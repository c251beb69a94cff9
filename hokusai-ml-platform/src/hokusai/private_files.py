"""JSON files in the user's configuration directory that only the user can read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Mapping


def write_private_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file, or replace it as a whole.

    The file gets mode 0600, and a directory that has to be created gets mode 0700. A reader sees
    either the old content or the new content, also when the write fails halfway.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp creates the file with mode 0600.
    handle, temporary = tempfile.mkstemp(dir=str(path.parent), prefix=f".{path.stem}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
