"""Reaching into a document whose every part may be missing, or of another kind."""

from __future__ import annotations

from typing import Any, Mapping


class CheckFailed(Exception):  # noqa: N818 - a verdict, not an error
    """A check does not hold, for this reason."""


class NotChecked(Exception):  # noqa: N818 - a verdict, not an error
    """A check could not be made, for this reason."""


def part(document: Any, *path: str) -> Any:
    """What is at a path, such as `"log", "index"`. Raises Fails where there is nothing."""
    for step in path:
        if not isinstance(document, Mapping) or step not in document:
            raise CheckFailed(f"{'.'.join(path)} is missing")
        document = document[step]
    return document


def object_at(document: Any, *path: str) -> Mapping[str, Any]:
    """An object at a path. Raises Fails for anything else, as the next ones do."""
    found = part(document, *path)
    if not isinstance(found, Mapping):
        raise CheckFailed(f"{'.'.join(path)} is not an object")
    return found


def list_at(document: Any, *path: str) -> list[Any]:
    """A list at a path."""
    found = part(document, *path)
    if not isinstance(found, list):
        raise CheckFailed(f"{'.'.join(path)} is not a list")
    return found


def text_at(document: Any, *path: str) -> str:
    """A text at a path."""
    found = part(document, *path)
    if not isinstance(found, str):
        raise CheckFailed(f"{'.'.join(path)} is not text")
    return found


def texts_at(document: Any, *path: str) -> list[str]:
    """A list of texts at a path."""
    found = list_at(document, *path)
    if not all(isinstance(item, str) for item in found):
        raise CheckFailed(f"{'.'.join(path)} has a member that is not text")
    return found


def integer_at(document: Any, *path: str) -> int:
    """An integer from zero on at a path."""
    found = part(document, *path)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise CheckFailed(f"{'.'.join(path)} is not a whole number from 0 on")
    return found


def hashes_at(document: Any, *path: str) -> list[bytes]:
    """A list of hashes, each 64 hexadecimal digits, as 32 bytes each."""
    found = []
    for item in list_at(document, *path):
        try:
            raw = bytes.fromhex(item) if isinstance(item, str) and len(item) == 64 else b""
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise CheckFailed(f"{'.'.join(path)} has a member that is not 64 hexadecimal digits")
        found.append(raw)
    return found
