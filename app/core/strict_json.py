"""JSON read in the one way in which nobody else can read it differently (RFC 7493, I-JSON)."""

import json
import re
from typing import Any

from app.core.errors import InvalidParameterError

MAX_DEPTH = 64
# MLflow takes a thousand metrics at once; this is for spans, which are made of objects.
MAX_CONTAINERS = 20_000

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# How NUL, and half a surrogate pair, can be written in valid JSON; or what only looks like it.
_PERHAPS_BAD_TEXT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BAD_TEXT = re.compile("[\0\ud800-\udfff]")
_SAID_OF_BAD_TEXT = "Text in the body must hold no NUL (\\u0000) and no half of a surrogate pair."


def parse(body: bytes) -> Any:
    """The JSON value of a body, read strictly: UTF-8, no key twice, no NaN, at most 64 deep.

    Text holds no NUL, which PostgreSQL cannot keep, and no half of a surrogate pair, which is no
    character. Raises InvalidParameterError.
    """
    containers = body.count(b"{") + body.count(b"[")
    if containers > MAX_CONTAINERS:
        # To read these takes the event loop's time, and everybody else's with it.
        raise InvalidParameterError(
            f"The body may have at most {MAX_CONTAINERS} objects and lists. Send it in parts."
        )
    if containers > MAX_DEPTH and _is_too_deep(body):
        # Before it is parsed: a parser that recurses may take the process with it.
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
        raise InvalidParameterError(_SAID_OF_BAD_TEXT)
    return document


def syntax(error: json.JSONDecodeError) -> str:
    """What is wrong and where, such as `expecting value at line 1, column 9`."""
    wrong = error.msg.removesuffix(" at").removesuffix(" starting")
    return f"{wrong[:1].lower()}{wrong[1:]} at line {error.lineno}, column {error.colno}"


def check_text(body: bytes) -> None:
    """Refuse a body whose text others lose: not UTF-8, a NUL, half of a surrogate pair.

    The rest of it is not looked at, and may be no JSON. Raises InvalidParameterError.
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
        return  # no JSON, or none that anybody reads
    if bad:
        raise InvalidParameterError(_SAID_OF_BAD_TEXT)


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
