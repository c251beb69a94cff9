"""JSON data that every reader understands in the same way."""

import math
import re

# JavaScript represents integers up to this exactly (RFC 7493, section 2.2).
LARGEST_INTEGER = 2**53 - 1
MAX_DEPTH = 32

# Clauses for error messages.
TOO_DEEP = f"the data must not be nested more than {MAX_DEPTH} levels deep"
TOO_LARGE = "an integer must be between -(2^53 - 1) and 2^53 - 1: send it as text"

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_json_data(value: object, *, allow_nul: bool) -> None:
    """Raises ValueError, whose text is a clause for an error message, for unportable data.

    That is a number that is not finite, an integer above 2^53 - 1, a key that is not text, an
    unpaired surrogate, more than 32 levels, and a value that JSON does not have.
    allow_nul: whether text may contain NUL, which PostgreSQL cannot store.
    """
    _check(value, MAX_DEPTH, allow_nul)


def _check_text(value: str, allow_nul: bool) -> None:
    if not allow_nul and "\0" in value:
        raise ValueError("text must not contain NUL")
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError("text must not contain an unpaired surrogate")


def _check(value: object, levels: int, allow_nul: bool) -> None:
    if levels == 0:
        raise ValueError(TOO_DEEP)
    if isinstance(value, str):
        _check_text(value, allow_nul)
    elif isinstance(value, dict):
        if value and levels == 1:
            raise ValueError(TOO_DEEP)
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError("a key must be text")  # noqa: TRY004 - as for all other data
            _check_text(key, allow_nul)
            # Most values are text, and a call costs more than the check.
            if isinstance(inner, str):
                _check_text(inner, allow_nul)
            else:
                _check(inner, levels - 1, allow_nul)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner, levels - 1, allow_nul)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(
                "a number is not finite, or too large for a double: leave it out, or send it as "
                "text"
            )
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(TOO_LARGE)
    elif value is not None:
        raise ValueError("a value is of a type that JSON does not have")
