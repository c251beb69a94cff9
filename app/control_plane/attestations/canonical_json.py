"""The one text that stands for an attestation's data, and its hash.

The form is the integration guide's: SHA-256 of `json.dumps(data, sort_keys=True)`. The text is kept
and served as it was hashed, so that nobody has to write floating-point numbers as Python does.
"""

import hashlib
import json
import math
import re
from typing import Any

from app.core.errors import UnprocessableError
from app.core.strict_json import syntax

# What JavaScript reads exactly (RFC 7493, section 2.2).
LARGEST_INTEGER = 2**53 - 1
DEEPEST = 32

_TOO_DEEP = f"The data is nested more than {DEEPEST} levels deep."
_TOO_LARGE = "An integer is above 2^53 - 1: send it as text."
_SURROGATE = re.compile("[\ud800-\udfff]")


def canonical(data: Any) -> str:
    """The text of JSON data, in ASCII: keys sorted, `, ` and `: ` between.

    Raises UnprocessableError for what JSON cannot say or readers would not agree on: a number that
    is not finite, an integer above 2^53 - 1, a key that is not text, half of a surrogate pair,
    more than 32 levels.
    """
    _check(data, DEEPEST)
    return json.dumps(data, sort_keys=True, allow_nan=False)


def digest(text: str) -> str:
    """SHA-256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(text: str | bytes) -> Any:
    """JSON that can be read in one way only. Raises UnprocessableError for any other.

    A key that is there twice, and a number that no double holds, are refused.
    """
    if not text.strip():
        raise UnprocessableError("This is empty, and must be a JSON document.")
    try:
        data = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise UnprocessableError("This is not JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise UnprocessableError(f"This is not valid JSON: {syntax(error)}.") from None
    except RecursionError:
        raise UnprocessableError(_TOO_DEEP) from None
    except ValueError:  # Python's own limit of digits
        raise UnprocessableError(_TOO_LARGE) from None
    _check(data, DEEPEST)
    return data


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnprocessableError("This is not valid JSON: an object has a key twice.")
    return found


def _no_constant(name: str) -> None:
    raise UnprocessableError(f"This is not valid JSON: {name} is not a JSON number.")


def _check(value: Any, levels: int) -> None:
    if levels == 0:
        raise UnprocessableError(_TOO_DEEP)
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise UnprocessableError("Every key of the data has to be text.")
            _check(key, levels - 1)
            _check(inner, levels - 1)
    elif isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise UnprocessableError("A text has half of a surrogate pair, which is no character.")
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner, levels - 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise UnprocessableError(
                "A number is not finite, or too large for a double: leave it out, or send it as "
                "text."
            )
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise UnprocessableError(_TOO_LARGE)
    elif value is not None:
        raise UnprocessableError("A value is of a kind that JSON does not have.")
