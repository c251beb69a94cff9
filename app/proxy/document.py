"""A JSON body, read in the one way in which nobody else can read it differently."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from app.errors import InvalidParameterError

MAX_DEPTH = 64

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

# A field of an object: the object, and the name under which it has the field.
Place = tuple[dict[str, Any], str]


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, read strictly: UTF-8, no key twice, no NaN, at most 64 deep.

    Raises InvalidParameterError.
    """
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _is_too_deep(body):
        # Before it is parsed: a parser that recurses may take the process with it.
        raise InvalidParameterError("The body is not valid JSON: it is nested too deeply.")
    try:
        document = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise InvalidParameterError("The body must be JSON in UTF-8.") from None
    except ValueError as error:
        raise InvalidParameterError(f"The body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidParameterError("The body must be a JSON object.")
    return document


@cache
def spellings(field: str) -> tuple[str, ...]:
    """A field's names in JSON: protobuf's parser, which MLflow uses, takes two."""
    head, *rest = field.split("_")
    camel = head + "".join(part.title() for part in rest)
    return (field,) if camel == field else (field, camel)


def places(node: Any, path: str) -> Iterator[Place]:
    """Where a dotted path of fields leads to that is there; `[]` behind a field goes through its
    list."""
    field, _, rest = path.partition(".")
    if not isinstance(node, dict):
        return
    for name in spellings(field.removesuffix("[]")):
        if name not in node:
            continue
        if not rest:
            yield node, name
            continue
        value = node[name]
        for child in value if field.endswith("[]") and isinstance(value, list) else [value]:
            yield from places(child, rest)


def values(document: dict[str, Any], path: str) -> Iterator[Any]:
    """What stands at a dotted path; a list at its end, marked `[]`, one by one."""
    for node, name in places(document, path):
        value = node[name]
        if path.endswith("[]") and isinstance(value, list):
            yield from value
        else:
            yield value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("it has a key twice")
    return result


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _is_too_deep(body: bytes) -> bool:
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, delete=_NO_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            return True
    return False
