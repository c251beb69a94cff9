"""JSON values of requests that the registry stores unchanged."""

import json
import math
from typing import Annotated, Any

from pydantic import AfterValidator

from app.rest.fields import refuse_secret

# The largest integer that JavaScript represents exactly (RFC 7493, section 2.2).
LARGEST_INTEGER = 2**53 - 1
MAX_DEPTH = 32


def check_document(value: Any) -> Any:
    """Return a JSON value that every parser reads the same and that PostgreSQL can store.

    Raises ValueError for a number that is not finite, an integer above 2^53 - 1, text with NUL or
    an unpaired surrogate, more than 32 levels, and for an API key or access token.
    """
    _check(value, MAX_DEPTH)
    refuse_secret(json.dumps(value))
    return value


def _check(value: Any, levels: int) -> None:
    if levels == 0:
        raise ValueError(f"must not be nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, levels)
            _check(inner, levels - 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, levels - 1)
    elif isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("text must not contain NUL or an unpaired surrogate")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("numbers must be finite")
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError("an integer must be between -(2^53 - 1) and 2^53 - 1: send it as text")


# A JSON object.
Document = Annotated[dict[str, Any], AfterValidator(check_document)]
