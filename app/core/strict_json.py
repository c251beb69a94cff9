"""Strict JSON parsing (RFC 7493, I-JSON): refuses what two parsers could read differently."""

import json
import re
from typing import Any

from app.core.errors import InvalidParameterError

MAX_DEPTH = 64
# MLflow accepts a thousand metrics in one request; a batch of spans has far more objects.
MAX_CONTAINERS = 20_000
# The values of a document: itself, each entry of a list, and the value of each member.
MAX_VALUES = 50_000
# The same for the gateway's own endpoints, which validate each of them.
MAX_OWN_VALUES = 20_000

# Digits of a number, before or after its point. Reading it takes a time that grows with their
# square. The exact value of the smallest double has 1074.
MAX_DIGITS = 1100

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_ZERO = bytes(0x30 if byte in b"0123456789" else 0x20 for byte in range(256))
_WHITE_SPACE = b" \t\r\n"
# The escape of NUL, and of a surrogate that has no other half, where no backslash is escaped.
_BAD_ESCAPE = re.compile(
    rb"\\u(?:0000"
    rb"|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F][0-9a-fA-F]{2})"
)
# What such an escape and its other half take, and how many bytes are searched at a time: one search
# holds the interpreter's lock, and with it the event loop, even in a thread.
_ESCAPES = 12
_WINDOW = 64 * 1024
_BAD_TEXT_MESSAGE = "Text in the body must not contain NUL (\\u0000) or an unpaired surrogate."


def parse(body: bytes, *, max_values: int = MAX_VALUES) -> Any:
    """The value of a JSON body.

    Raises InvalidParameterError for a body that is not valid JSON in UTF-8, has a key twice in one
    object, NaN or Infinity, text with NUL (which PostgreSQL cannot store) or an unpaired surrogate
    (which is not a character), or what `check_shape` refuses.
    """
    check_shape(body, max_values=max_values)
    _check_numbers(body, max_values)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidParameterError("The body must be JSON in UTF-8.") from None
    _check_escapes(body)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise InvalidParameterError(f"The body is not valid JSON: {syntax(error)}.") from None
    except ValueError:  # Python's own limit of digits
        raise InvalidParameterError("The body is not valid JSON: a number is too long.") from None


def check_shape(body: bytes, *, max_values: int = MAX_VALUES) -> None:
    """Check how many values a JSON body has, and how deep, before anything is built from it.

    Raises InvalidParameterError for more than `max_values` values, 20,000 objects and lists, or 64
    levels. The body need not be valid JSON: what a parser builds before it finds the error is
    counted too. The time is that of a few passes over the bytes.
    """
    containers = body.count(b"{") + body.count(b"[")
    # As if no text contained a bracket or comma: more than there are.
    if containers <= MAX_DEPTH and containers + body.count(b",") < max_values:
        return
    structure = _structure(body, max_values)
    containers = structure.count(b"{") + structure.count(b"[")
    if containers > MAX_CONTAINERS:
        raise InvalidParameterError(
            f"The body may have at most {MAX_CONTAINERS} objects and lists. Send it in parts."
        )
    if _count(structure, containers) > max_values:
        raise _too_many_values(max_values)
    if _is_too_deep(structure):
        # A recursive parser could overflow the stack.
        raise InvalidParameterError("The body is not valid JSON: it is nested too deeply.")


def count_values(body: bytes) -> int:
    """How many values a valid JSON document has: see MAX_VALUES."""
    structure = _structure(body, len(body))
    return _count(structure, structure.count(b"{") + structure.count(b"["))


def is_too_deep(body: bytes) -> bool:
    """Whether a body is nested more than 64 levels: a parser could overflow the stack."""
    return _is_too_deep(_structure(body, len(body)))


def syntax(error: json.JSONDecodeError) -> str:
    """What is wrong and where, such as `expecting value at line 1, column 9`."""
    wrong = error.msg.removesuffix(" at").removesuffix(" starting")
    return f"{wrong[:1].lower()}{wrong[1:]} at line {error.lineno}, column {error.colno}"


def check_text(body: bytes) -> None:
    """Check only the text of a body: UTF-8, no NUL, no unpaired surrogate.

    MLflow would store such text damaged. The body need not be valid JSON, and nothing is built from
    it. Raises InvalidParameterError.
    """
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError:
        raise InvalidParameterError("The body must be JSON in UTF-8.") from None
    if b"\0" in body:
        raise InvalidParameterError("The body must be JSON in UTF-8, without NUL.")
    _check_escapes(body)


def has_escapes(body: bytes) -> bool:
    """Whether a body has escapes of characters, for which `check_text` takes longer."""
    return b"\\u" in body


def _check_escapes(body: bytes) -> None:
    if not has_escapes(body):
        return
    # An escaped backslash begins no escape. Two other bytes, so that nothing moves together.
    body = body.replace(rb"\\", b"--")
    for position in range(0, len(body), _WINDOW):
        end = position + _WINDOW
        found = _BAD_ESCAPE.search(body, position, end + _ESCAPES)
        if found is not None and found.start() < end:
            raise InvalidParameterError(_BAD_TEXT_MESSAGE)


def _check_numbers(body: bytes, max_values: int) -> None:
    """Refuse a number of more than MAX_DIGITS digits before it is read."""
    if len(body) <= MAX_DIGITS or not _has_long_number(body):
        return
    # It may be in a text.
    if _has_long_number(_structure(body, max_values)):
        raise InvalidParameterError("The body is not valid JSON: a number is too long.")


def _has_long_number(body: bytes) -> bool:
    return b"0" * (MAX_DIGITS + 1) in body.translate(_AS_ZERO)


def _structure(body: bytes, max_values: int) -> bytes:
    """A JSON body without white space, with 0 in the place of each text.

    Raises InvalidParameterError for more texts than `max_values` values could have.
    """
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    # A text is a value or the name of one.
    if body.count(b'"') > 4 * max_values:
        raise _too_many_values(max_values)
    return b"0".join(body.split(b'"')[::2]).translate(None, delete=_WHITE_SPACE)


def _count(structure: bytes, containers: int) -> int:
    """The values in a structure: a container has one more than commas, unless it is empty."""
    empty = structure.count(b"{}") + structure.count(b"[]")
    return 1 + structure.count(b",") + containers - empty


def _too_many_values(max_values: int) -> InvalidParameterError:
    return InvalidParameterError(
        f"The body may have at most {max_values} values: members of objects, and entries of lists."
        " Send it in parts."
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise InvalidParameterError("The body is not valid JSON: it has a key twice.")
    return result


def _constant(name: str) -> float:
    raise InvalidParameterError(f"The body is not valid JSON: {name} is not a JSON value.")


def _is_too_deep(structure: bytes) -> bool:
    depth = 0
    for bracket in structure.translate(None, delete=_NO_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            return True
        if depth < 0:
            return False  # not valid JSON: nothing behind this is parsed
    return False
