"""Reading members of a document in which any member may be missing or have another type."""

from __future__ import annotations

from typing import Any, Mapping


class CheckFailed(Exception):  # noqa: N818 - an outcome of a check, not an error
    """A check fails; the message is the reason."""


class NotChecked(Exception):  # noqa: N818 - an outcome of a check, not an error
    """A check cannot be made; the message is the reason."""


def member(document: Any, *path: str) -> Any:
    """Return the value at a path of names, such as `"log", "index"`.

    Raises:
        CheckFailed: There is none.
    """
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            raise CheckFailed(f"{'.'.join(path)} is missing")
        document = document[name]
    return document


def object_at(document: Any, *path: str) -> Mapping[str, Any]:
    """Return the JSON object at a path.

    Raises:
        CheckFailed: There is none, or it has another type. The functions below raise it likewise.
    """
    value = member(document, *path)
    if not isinstance(value, Mapping):
        raise CheckFailed(f"{'.'.join(path)} is not an object")
    return value


def list_at(document: Any, *path: str) -> list[Any]:
    """Return the list at a path."""
    value = member(document, *path)
    if isinstance(value, list):
        return value
    raise CheckFailed(f"{'.'.join(path)} is not a list")


def text_at(document: Any, *path: str) -> str:
    """Return the string at a path."""
    value = member(document, *path)
    if isinstance(value, str):
        return value
    raise CheckFailed(f"{'.'.join(path)} is not text")


def texts_at(document: Any, *path: str) -> list[str]:
    """Return the list of strings at a path."""
    values = list_at(document, *path)
    if not all(isinstance(item, str) for item in values):
        raise CheckFailed(f"{'.'.join(path)} has a member that is not text")
    return values


def integer_at(document: Any, *path: str) -> int:
    """Return the integer at a path, which must not be negative."""
    value = member(document, *path)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CheckFailed(f"{'.'.join(path)} is not a non-negative integer")
    return value


def hashes_at(document: Any, *path: str) -> list[bytes]:
    """Return the list of hashes at a path, each 64 hexadecimal digits, as 32 bytes each."""
    hashes = []
    for item in list_at(document, *path):
        try:
            raw = bytes.fromhex(item) if isinstance(item, str) and len(item) == 64 else b""
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise CheckFailed(f"{'.'.join(path)} has a member that is not 64 hexadecimal digits")
        hashes.append(raw)
    return hashes
