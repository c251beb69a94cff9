"""Parsing untrusted JSON strictly and within bounds, and writing its canonical text.

The depth is checked before the parser runs: eth_account, if the program has loaded it, raises
Python's recursion limit so far that the parser would overflow the stack instead of failing.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Mapping

from hokusai.errors import DocumentError

# An attestation of 500 contributors and 1,000 metrics takes about 1 MB.
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
_MAX_VALUES = 1_000_000
# The largest integer that JavaScript represents exactly (RFC 7493, section 2.2).
MAX_INTEGER = 2**53 - 1
# Digits of that integer, and a sign.
_MAX_INTEGER_CHARACTERS = 17

# The only white space of JSON; what else programs strip differs from language to language.
SPACES = " \t\r\n"
_MARK = re.compile(r'["\\\[\]{}]')
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(text: str | bytes, limit: int = MAX_BYTES) -> Any:
    """Parse JSON of which every parser has the same understanding.

    Args:
        text: The JSON text.
        limit: The largest accepted size, in bytes, or in characters of a str.

    Raises:
        DocumentError: This is not valid JSON; parsers would disagree on it (a repeated key, a
            number that no double holds, an integer above 2^53 - 1, half of a surrogate pair); or
            it is too large, or nested more than `MAX_DEPTH` levels deep.
    """
    if len(text) > limit:
        raise DocumentError(f"The document is larger than {limit // 1024} KiB.")
    if isinstance(text, bytes):
        try:
            # Some editors put a byte order mark at the beginning of a file.
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DocumentError("The document is not text in UTF-8.") from None
    if not text.strip(SPACES):
        raise DocumentError("The document is empty.")
    _check_depth(text)
    try:
        data = json.loads(
            text,
            object_pairs_hook=_object_without_repeated_keys,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_reject_constant,
        )
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"The document is not valid JSON: {error}") from None
    return checked_copy(data)


def checked_copy(value: Any) -> Any:
    """Copy JSON data to dict, list, str, int, float, bool and None.

    Raises:
        DocumentError: A part of the data is of another type, or exceeds the bounds of `parse`.
    """
    return _Copy().of(value, MAX_DEPTH)


def canonical_json(data: Any) -> str:
    """Return the text that is hashed: `json.dumps(data, sort_keys=True)`, as in the guide."""
    return json.dumps(data, sort_keys=True, allow_nan=False)


def equal_json(one: Any, other: Any) -> bool:
    """Return whether two documents have the same meaning.

    1 and 1.0 are equal, since JavaScript writes both as 1. 1 and true are not.
    """
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(equal_json(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(equal_json(*pair) for pair in zip(one, other))
        )
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


class _Copy:
    """Copies one document, counting its values."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any, levels_left: int) -> Any:
        self._values += 1
        if levels_left == 0:
            raise DocumentError(f"The document is nested more than {MAX_DEPTH} levels deep.")
        # A small program can build a huge document, by putting one object in several places.
        if self._values > _MAX_VALUES:
            raise DocumentError(f"The document has more than {_MAX_VALUES} values.")
        if isinstance(value, str):
            if _SURROGATE.search(value):
                raise DocumentError("A text contains half of a surrogate pair.")
            return str(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if abs(value) > MAX_INTEGER:
                raise DocumentError("An integer is above 2^53 - 1.")
            return int(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise DocumentError("A number is not finite.")
            return float(value)
        if isinstance(value, Mapping):
            return {self._key(key): self.of(value[key], levels_left - 1) for key in value}
        if isinstance(value, (list, tuple)):
            return [self.of(item, levels_left - 1) for item in value]
        raise DocumentError(f"JSON has no values of the type {type(value).__name__}.")

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise DocumentError("A key of the document is not text.")
        return str(self.of(key, 1))


def _check_depth(text: str) -> None:
    """Reject a text that is nested too deeply, by its brackets alone and in one pass."""
    depth, in_string, escaped = 0, False, -1
    for mark in _MARK.finditer(text):
        character = mark.group()
        if mark.start() == escaped:
            continue
        if in_string:
            if character == "\\":
                escaped = mark.start() + 1
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise DocumentError(f"The document is nested more than {MAX_DEPTH} levels deep.")
        elif character in "]}":
            depth -= 1


def _object_without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same key twice")
    return members


def _integer(digits: str) -> int:
    # int() takes quadratic time, so the length is checked first.
    if len(digits) > _MAX_INTEGER_CHARACTERS:
        raise ValueError("an integer is above 2^53 - 1")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large for a double")
    return number


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
