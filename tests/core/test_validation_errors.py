"""Every validation error of pydantic is described in plain words."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

from app.core.json_schema import in_words, inlined
from app.core.validation_errors import Problem, problems_of, problems_with
from tests.support.plain_words import what_is_not_plain

KINDS = sorted(get_args(core_schema.ErrorType))
INSIDE = "Input should be a valid list[Share] or instance of Share"
SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer", "minimum": 1.0, "maximum": 9.0}, "any": {}},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["count", "any", "unknown"])
def test_no_kind_of_error_is_said_in_pydantics_words(kind: str, name: str) -> None:
    error: dict[str, Any] = {"type": kind, "loc": (name,), "msg": INSIDE, "input": object()}
    error["ctx"] = {"error": ValueError("must be even"), "class_name": "Share", "pattern": "^[a]+$"}
    (problem,) = problems_of([error], SCHEMA)
    assert problem.where == name
    assert what_is_not_plain(problem.problem) == []
    assert "Share" not in problem.problem
    assert problem.problem.startswith(("must ", "is ", "has "))


def test_there_are_kinds() -> None:
    assert len(KINDS) > 100
    assert {"missing", "int_parsing", "model_attributes_type"} <= set(KINDS)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1.0, "maximum": 1000.0}, "a whole number from 1 to 1000"),
        ({"type": "integer", "minimum": 1}, "a whole number of at least 1"),
        ({"type": "integer", "maximum": 5}, "a whole number of at most 5"),
        (
            {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
            "a number above 0 and of at most 0.5",
        ),
        ({"type": "number", "exclusiveMaximum": 2}, "a number below 2"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "string"}, "text"),
        ({"type": "string", "minLength": 1}, "text of at least 1 character"),
        ({"type": "string", "maxLength": 9}, "text of at most 9 characters"),
        ({"type": "string", "examples": ["0xab"]}, 'text, such as "0xab"'),
        ({"type": "string", "examples": ["x" * 100]}, "text"),
        ({"type": "string", "enum": ["a", "b"]}, "one of a, b"),
        ({"type": "string", "const": "a"}, "a"),
        ({"type": "array", "minItems": 1, "maxItems": 5}, "a list of 1 to 5 entries"),
        ({"type": "object"}, "a JSON object"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        (
            {"anyOf": [{"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "null"}]},
            "text or a whole number",
        ),
        ({"anyOf": [{"type": "object", "maxProperties": 5}, {"type": "object"}]}, "a JSON object"),
        ({}, "another value"),
    ],
)
def test_a_schema_in_words(schema: dict[str, Any], words: str) -> None:
    assert in_words(schema) == words


class Branch(BaseModel):
    name: str
    branches: list["Branch"] = []


class Tree(BaseModel, extra="forbid"):
    size: int
    root: Branch | int = 1


def test_a_definition_that_contains_itself_ends() -> None:
    schema = Branch.model_json_schema()
    inner = inlined(schema, schema)["properties"]["branches"]
    assert inner == {"type": "array", "items": {}, "title": "Branches", "default": []}


def problems(**given: Any) -> list[Problem]:
    with pytest.raises(ValidationError) as caught:
        Tree.model_validate(given)
    return problems_with(Tree, caught.value)


def test_a_place_has_no_names_of_types() -> None:
    assert problems(size=1, root="x") == [
        Problem("root", "must be a JSON object or a whole number")
    ]
    assert Problem("root.name", "is missing, and must be text") in problems(size=1, root={})


def test_a_name_that_is_no_word_is_quoted_and_shortened() -> None:
    key = "hk_live_" + "a" * 43 + "_" + "b" * 6
    names = ["a.b", "a b", "\n", 'a"b', "é", "x" * 100, "\u202e", key, "x" * 60 + key]
    assert [one.where for one in problems(size=1, **dict.fromkeys(names))] == [
        '["a.b"]',
        '["a b"]',
        '["\\n"]',
        '["a\\"b"]',
        "é",
        f'["{"x" * 80}…"]',
        '["\\u202e"]',
        '["hk_[redacted]"]',
        f'["{"x" * 60}hk_[redacted]"]',
    ]
