"""JSON that callers give and the registry keeps as it is."""

import json
import math
from typing import Annotated, Any

from pydantic import AfterValidator

from app.core.redaction import has_secret

# What JavaScript reads exactly (RFC 7493, section 2.2).
LARGEST_INTEGER = 2**53 - 1
DEEPEST = 32


def check_document(value: Any) -> Any:
    """The JSON value itself, if every reader would read the same in it and PostgreSQL can keep it.

    Raises ValueError for a number that is not finite, an integer above 2^53 - 1, text with NUL or
    half a surrogate pair, more than 32 levels, and for an API key, which must not be kept in clear.
    """
    _check(value, DEEPEST)
    if has_secret(json.dumps(value)):
        raise ValueError("this holds an API key or token, which must not be kept in clear")
    return value


def _check(value: Any, levels: int) -> None:
    if levels == 0:
        raise ValueError(f"this is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, levels)
            _check(inner, levels - 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, levels - 1)
    elif isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("text must hold no NUL and no half of a surrogate pair")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("numbers have to be finite")
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError("an integer is above 2^53 - 1: send it as text")


# A JSON object.
Document = Annotated[dict[str, Any], AfterValidator(check_document)]
