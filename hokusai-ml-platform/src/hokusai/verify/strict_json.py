"""JSON of strangers, read in one way only and within bounds, and the canonical text of it.

What is nested too deeply is refused before the parser sees it: eth_account, which a program may
have loaded, lifts Python's recursion limit to where the parser overflows the stack instead.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Mapping

from hokusai.errors import DocumentError

# An attestation of 500 contributors and 1,000 metrics has about 1 MB.
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
_MAX_VALUES = 1_000_000
# What JavaScript reads exactly (RFC 7493, section 2.2): 16 digits.
_MAX_INTEGER = 2**53 - 1

_MARK = re.compile(r'["\\\[\]{}]')
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(text: str | bytes, largest: int = MAX_BYTES) -> Any:
    """JSON as plain Python data. `largest`: in bytes, or characters.

    Raises DocumentError for what is not JSON, what readers would not agree on (a key twice, a
    number that no double holds, an integer above 2^53 - 1, half of a surrogate pair), and what is
    too large or nested more than 64 levels deep.
    """
    if len(text) > largest:
        raise DocumentError(f"This is larger than {largest // 1024} KiB.")
    if isinstance(text, bytes):
        try:
            # Some editors begin a file with a byte order mark.
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DocumentError("This is not text in UTF-8.") from None
    _check_depth(text)
    try:
        data = json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"This is not JSON that everybody reads alike: {error}") from None
    return checked_copy(data)


def checked_copy(value: Any) -> Any:
    """A copy of JSON data in dict, list, str, int, float, bool and None.

    Raises DocumentError for any other kind of data, and as `parse` does.
    """
    return _Copy().of(value, MAX_DEPTH)


def canonical_json(data: Any) -> str:
    """The text that is hashed: `json.dumps(data, sort_keys=True)`, the guide's form."""
    return json.dumps(data, sort_keys=True, allow_nan=False)


def equal_json(one: Any, other: Any) -> bool:
    """Whether two plain documents say the same. 1 and 1.0 do, since JavaScript writes either as
    1; 1 and true do not.
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
    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any, levels: int) -> Any:
        self._values += 1
        if levels == 0:
            raise DocumentError(f"The document is nested more than {MAX_DEPTH} levels deep.")
        # Few characters can stand for many parts where one object is in several places.
        if self._values > _MAX_VALUES:
            raise DocumentError(f"The document has more than {_MAX_VALUES} parts.")
        if isinstance(value, str):
            if _SURROGATE.search(value):
                raise DocumentError("A text has half of a surrogate pair, which is no character.")
            return str(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if abs(value) > _MAX_INTEGER:
                raise DocumentError("An integer is above 2^53 - 1.")
            return int(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise DocumentError("A number is not finite.")
            return float(value)
        if isinstance(value, Mapping):
            return {self._key(key): self.of(value[key], levels - 1) for key in value}
        if isinstance(value, (list, tuple)):
            return [self.of(item, levels - 1) for item in value]
        raise DocumentError(f"{type(value).__name__} is not a kind of JSON data.")

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise DocumentError("A key of the document is not text.")
        return str(self.of(key, 1))


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply, by its brackets alone and in one pass."""
    levels, inside, skipped = 0, False, -1
    for mark in _MARK.finditer(text):
        character = mark.group()
        if mark.start() == skipped:
            continue
        if inside:
            if character == "\\":
                skipped = mark.start() + 1
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            levels += 1
            if levels > MAX_DEPTH:
                raise DocumentError(f"The document is nested more than {MAX_DEPTH} levels deep.")
        elif character in "]}":
            levels -= 1


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is in one object twice")
    return found


def _integer(digits: str) -> int:
    # Python takes quadratic time for a million digits.
    if len(digits) > 17:
        raise ValueError("an integer is above 2^53 - 1")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large for a double")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
