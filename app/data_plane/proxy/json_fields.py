"""The fields of a request's JSON object, as MLflow's parser finds them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from app.core import strict_json
from app.core.errors import InvalidParameterError

# A field: the object that has it, and its name there.
Place = tuple[dict[str, Any], str]


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, parsed strictly. Raises InvalidParameterError."""
    document = strict_json.parse(body)
    if not isinstance(document, dict):
        raise InvalidParameterError("The body must be a JSON object.")
    return document


@cache
def spellings(field: str) -> tuple[str, ...]:
    """A field's names in JSON: MLflow's parser (protobuf) accepts snake_case and camelCase."""
    head, *rest = field.split("_")
    camel = head + "".join(part.title() for part in rest)
    return (field,) if camel == field else (field, camel)


def places(node: Any, path: str) -> Iterator[Place]:
    """The fields that a dotted path leads to, if they exist; `name[]` stands for all of a list."""
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
    """The values at a dotted path; those of a list, if it ends in `[]`, one by one."""
    for node, name in places(document, path):
        value = node[name]
        if path.endswith("[]") and isinstance(value, list):
            yield from value
        else:
            yield value
