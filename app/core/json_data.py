"""JSON data that every reader understands in the same way."""

import math
import re

# JavaScript represents integers up to this exactly (RFC 7493, section 2.2).
LARGEST_INTEGER = 2**53 - 1
MAX_DEPTH = 32

# Clauses for error messages.
_TOO_DEEP = "the data must not be nested more than {} levels deep"
TOO_DEEP = _TOO_DEEP.format(MAX_DEPTH)
TOO_LARGE = "an integer must be between -(2^53 - 1) and 2^53 - 1: send it as text"

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_json_data(value: object, *, allow_nul: bool, max_depth: int = MAX_DEPTH) -> None:
    """Raises ValueError, whose text is a clause for an error message, for unportable data.

    That is a number that is not finite, an integer above 2^53 - 1, a key that is not text, an
    unpaired surrogate, more than `max_depth` levels, and a value that JSON does not have.
    allow_nul: whether text may contain NUL, which PostgreSQL cannot store.
    """
    # Level by level: a call for each value would cost more than its check.
    values: list[object] = [value]
    for _ in range(max_depth):
        inner: list[object] = []
        for one in values:
            if isinstance(one, str):
                _check_text(one, allow_nul)
            elif isinstance(one, dict):
                try:
                    _check_text("".join(one), allow_nul)
                except TypeError:
                    raise ValueError("a key must be text") from None
                inner.extend(one.values())
            elif isinstance(one, list | tuple):
                inner.extend(one)
            elif one is not None:
                _check_number(one)
        if not inner:
            return
        values = inner
    raise ValueError(_TOO_DEEP.format(max_depth))


def _check_text(value: str, allow_nul: bool) -> None:
    if not allow_nul and "\0" in value:
        raise ValueError("text must not contain NUL")
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError("text must not contain an unpaired surrogate")


def _check_number(value: object) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(
                "a number is not finite, or too large for a double: leave it out, or send it as "
                "text"
            )
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(TOO_LARGE)
    else:
        raise ValueError("a value is of a type that JSON does not have")  # noqa: TRY004
