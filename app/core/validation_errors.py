"""Describes pydantic's validation errors in plain words, for the person who sent the value.

pydantic's own messages speak of Python (`valid dictionary or instance of KeyRequest`), show regular
expressions, and put the types of unions into the place. Here the words are made from the kind of
error and from the JSON Schema, which says which values are valid.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from app.core.json_schema import Schema, alternatives, in_words, inlined, member
from app.core.redaction import has_secret, shortened

# One of `ValidationError.errors()`.
Error = Mapping[str, Any]
Place = Sequence[str | int]

# A person reads no more of them.
MOST_PROBLEMS = 20
# A longer name that a caller chose, and the text of a problem, are shortened to so many characters.
_LONGEST_NAME = 80
_LONGEST_PROBLEM = 500

_PLAIN_NAME = re.compile(r"[\w-]+")
# The last part of a place that is not a member of an object, but a member's name.
_NAME_ITSELF = "[key]"

# The kinds of errors that the schema of a value does not explain.
_WORDS = {
    "json_invalid": "must be valid JSON",
    "string_unicode": "must be text in UTF-8",
    "string_pattern_mismatch": "has a form, or characters, that are not valid here",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    where: the place, such as `body.scopes[0]`; empty for the value as a whole.
    problem: what is wrong there, and which values are valid.
    """

    where: str
    problem: str


def problems_of(errors: Sequence[Error], schema: Schema) -> list[Problem]:
    """The problems that the first errors describe, without duplicates, at most MOST_PROBLEMS.

    schema: the JSON Schema of what was validated, without references (`json_schema.inlined`).
    """
    found: dict[Problem, None] = {}
    for error in errors:
        found[_problem(error, schema)] = None
        if len(found) == MOST_PROBLEMS:
            break
    return list(found)


def problems_with(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """`problems_of` for an error that the validation of `model` raised."""
    return problems_of(error.errors(include_url=False), _schema_of(model))


@cache
def _schema_of(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema()
    return inlined(schema, schema)


def _problem(error: Error, schema: Schema) -> Problem:
    where, problem = _described(error, schema)
    # One of the app's own validators may repeat a value.
    return Problem(where, shortened(problem, _LONGEST_PROBLEM))


def _described(error: Error, schema: Schema) -> tuple[str, str]:
    place = list(error["loc"])
    is_name = len(place) > 1 and place[-1] == _NAME_ITSELF and error.get("input") == place[-2]
    names, parent, expected = _follow(place[:-1] if is_name else place, schema, error["type"])
    where = written_place(names)
    if is_name:
        expected = {**parent.get("propertyNames", {}), "type": "string"}
        return where, f"the name {_words(error, expected)}"
    if error["type"] == "extra_forbidden":
        return where, unknown_name(str(names[-1]), list(parent.get("properties", ())))
    return where, _words(error, expected)


def _words(error: Error, expected: Schema | None) -> str:
    kind = error["type"]
    if kind in ("value_error", "assertion_error"):
        # Raised by one of the app's own validators, in plain words.
        return str(error["ctx"]["error"])
    if kind in _WORDS:
        return _WORDS[kind]
    if expected is None:
        return "is missing" if kind == "missing" else "is not valid here"
    if kind == "missing":
        return f"is missing, and must be {in_words(expected)}"
    if kind == "finite_number":
        return f"must be finite: {in_words(expected)}"
    return f"must be {in_words(expected)}"


def unknown_name(name: str, known: Sequence[str]) -> str:
    """What is wrong with a name that is none of the known ones."""
    if not known:
        return "is not known here"
    near = get_close_matches(name[:_LONGEST_NAME].lower(), known, n=1)
    question = f": did you mean {near[0]}?" if near else "."
    return f"is not known here{question} Possible here: {', '.join(known)}"


def _follow(
    place: Place, schema: Schema, kind: str
) -> tuple[list[str | int], Schema, Schema | None]:
    """The names of a place as the sender knows them, and the schemas of its parent and of itself.

    pydantic adds to a place which alternative of a union it tried, as if that were a member; the
    names leave it out. For a value of a wrong type the schema is that of the whole union.
    """
    names: list[str | int] = []
    parent: Schema = {}
    found: Schema | None = schema
    rest = list(place)
    while rest and found is not None:
        choice = alternatives(found)
        if len(choice) == 1:
            parent = choice[0]
            names.append(rest.pop(0))
            found = member(parent, names[-1])
        else:
            tried = str(rest.pop(0))
            if rest:
                found = _alternative(choice, tried, rest[0])
            elif not kind.endswith("_type"):
                found = _alternative(choice, tried) or found
    return names + rest, parent, found


def _alternative(choice: list[Schema], tried: str, name: str | int | None = None) -> Schema | None:
    """The alternative that pydantic calls `tried`, or else one that has a member of this name.

    pydantic names an alternative by its `Tag`, which is its title or type in the JSON Schema.
    """
    for keyword in ("title", "type"):
        for one in choice:
            if one.get(keyword) == tried:
                return one
    if name is None:
        return None
    return next((one for one in choice if member(one, name) is not None), None)


def written_place(names: Place) -> str:
    """A place as problems name it, such as `body.scopes[0]`."""
    written = ""
    for name in names:
        if isinstance(name, int):
            written += f"[{name}]"
        elif _PLAIN_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME and not has_secret(name):
            written += f".{name}"
        else:
            written += f"[{_quoted(name)}]"
    return written.removeprefix(".")


def _quoted(name: str) -> str:
    name = shortened(name, _LONGEST_NAME)
    return json.dumps(name, ensure_ascii=not name.isprintable())
