"""Strict JSON parsing (RFC 7493, I-JSON): refuses what two parsers could read differently."""

import json
import re
from typing import Any

from app.core.errors import InvalidParameterError

MAX_DEPTH = 64
# MLflow accepts a thousand metrics in one request; a batch of spans has far more objects.
MAX_CONTAINERS = 20_000

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# An escape of NUL or of a surrogate. It also matches harmless text, such as a valid pair of
# surrogates, so a match only means that the parsed text has to be examined.
_PERHAPS_BAD_TEXT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BAD_TEXT = re.compile("[\0\ud800-\udfff]")
_BAD_TEXT_MESSAGE = "Text in the body must not contain NUL (\\u0000) or an unpaired surrogate."


def parse(body: bytes) -> Any:
    """The value of a JSON body.

    Raises InvalidParameterError for a body that is not valid JSON in UTF-8, has a key twice in one
    object, NaN or Infinity, more than 64 levels or 20,000 objects and lists, or text with NUL
    (which PostgreSQL cannot store) or an unpaired surrogate (which is not a character).
    """
    containers = body.count(b"{") + body.count(b"[")
    if containers > MAX_CONTAINERS:
        # Parsing more would block the event loop, and with it all other requests.
        raise InvalidParameterError(
            f"The body may have at most {MAX_CONTAINERS} objects and lists. Send it in parts."
        )
    if containers > MAX_DEPTH and _is_too_deep(body):
        # Checked before parsing: a recursive parser could overflow the stack.
        raise InvalidParameterError("The body is not valid JSON: it is nested too deeply.")
    try:
        document = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise InvalidParameterError("The body must be JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidParameterError(f"The body is not valid JSON: {syntax(error)}.") from None
    except ValueError:  # Python's own limit of digits
        raise InvalidParameterError("The body is not valid JSON: a number is too long.") from None
    if _PERHAPS_BAD_TEXT.search(body) is not None and _has_bad_text(document):
        raise InvalidParameterError(_BAD_TEXT_MESSAGE)
    return document


def syntax(error: json.JSONDecodeError) -> str:
    """What is wrong and where, such as `expecting value at line 1, column 9`."""
    wrong = error.msg.removesuffix(" at").removesuffix(" starting")
    return f"{wrong[:1].lower()}{wrong[1:]} at line {error.lineno}, column {error.colno}"


def check_text(body: bytes) -> None:
    """Check only the text of a body: UTF-8, no NUL, no unpaired surrogate.

    MLflow would store such text damaged. The body need not be valid JSON. Raises
    InvalidParameterError.
    """
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError:
        raise InvalidParameterError("The body must be JSON in UTF-8.") from None
    if b"\0" in body:
        raise InvalidParameterError("The body must be JSON in UTF-8, without NUL.")
    if _PERHAPS_BAD_TEXT.search(body) is None:
        return
    try:
        bad = _has_bad_text(json.loads(body))
    except (ValueError, RecursionError):
        return  # not valid JSON: MLflow refuses it
    if bad:
        raise InvalidParameterError(_BAD_TEXT_MESSAGE)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise InvalidParameterError("The body is not valid JSON: it has a key twice.")
    return result


def _constant(name: str) -> float:
    raise InvalidParameterError(f"The body is not valid JSON: {name} is not a JSON value.")


def _is_too_deep(body: bytes) -> bool:
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, delete=_NO_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _has_bad_text(node: Any) -> bool:
    if isinstance(node, str):
        return _BAD_TEXT.search(node) is not None
    if isinstance(node, dict):
        return any(_has_bad_text(name) or _has_bad_text(child) for name, child in node.items())
    return isinstance(node, list) and any(map(_has_bad_text, node))
