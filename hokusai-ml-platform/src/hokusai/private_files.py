"""JSON files in the user's configuration directory that only the user can read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Mapping

from hokusai.whole_files import PRIVATE, replacing


def private_path(name: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the path of a file in the user's configuration directory for Hokusai.

    That is `hokusai` in `XDG_CONFIG_HOME`, or in `~/.config`. None where the user has no home.

    Args:
        name: The name of the file.
        environment: The environment variables; those of the process by default.
    """
    variables = os.environ if environment is None else environment
    configured = variables.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification says that relative paths are ignored.
    if os.path.isabs(configured):
        return Path(configured) / "hokusai" / name
    try:
        return Path.home() / ".config" / "hokusai" / name
    except RuntimeError:  # a container's user without HOME and without an entry in passwd
        return None


def write_private_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file, or replace it as a whole.

    The file gets mode 0600, and a directory that has to be created gets mode 0700. A reader sees
    either the old content or the new content, also when the write fails halfway.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path, PRIVATE) as file:
        file.write((json.dumps(document, indent=2) + "\n").encode())
