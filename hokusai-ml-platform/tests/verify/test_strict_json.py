"""JSON that every parser understands alike, within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hokusai.errors import DocumentError
from hokusai.verify.strict_json import (
    MAX_DEPTH,
    canonical_json,
    checked_copy,
    equal_json,
    parse,
)


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, -2.5, true, false, null, "x\\"]}"]}', "[]", "7", '"\\u00fc"', "9007199254740991"],
)
def test_valid_json_is_parsed(text: str) -> None:
    assert parse(text) == parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (b" \n", "is empty"),
        ("{", "not valid JSON"),
        ("]", "not valid JSON"),
        ('"\\', "not valid JSON"),
        ("\\", "not valid JSON"),
        ('{"a": 1, "a": 2}', "the same key twice"),
        ("NaN", "NaN is not a JSON number"),
        ("-Infinity", "-Infinity is not a JSON number"),
        ("1e999", "too large for a double"),
        ("9007199254740992", "above 2^53 - 1"),
        ("1" * 5000, "above 2^53 - 1"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        (b"\xff", "not text in UTF-8"),
    ],
)
def test_other_text_is_rejected(text: str | bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message.replace("^", r"\^")):
        parse(text)


def test_size_and_depth_are_bounded() -> None:
    with pytest.raises(DocumentError, match="larger than 1 KiB"):
        parse('"' + "x" * 2000 + '"', 1024)
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse(deepest) == json.loads(deepest)
    for text in ("[" * (MAX_DEPTH + 1), '{"a":' * (MAX_DEPTH + 1), f"[{deepest}]"):
        with pytest.raises(DocumentError, match="nested more than 64 levels"):
            parse(text)


def test_brackets_within_strings_do_not_count_as_depth() -> None:
    text = json.dumps(["[" * 100, '\\"' + "{" * 100])

    assert parse(text) == json.loads(text)


def test_a_copy_has_plain_types() -> None:
    class Text(str):
        pass

    copy = checked_copy({Text("a"): (1, Text("b"))})

    assert copy == {"a": [1, "b"]}
    assert type(copy["a"][1]) is str


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({7: 1}, "A key of the document is not text"),
        ({"a": object()}, "no values of the type object"),
        (float("inf"), "not finite"),
        (2**53, "above 2"),
    ],
)
def test_other_data_is_rejected(value: Any, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        checked_copy(value)


def test_canonical_text_is_sorted_json() -> None:
    assert canonical_json({"b": 1, "a": "\u00fc"}) == '{"a": "\\u00fc", "b": 1}'


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        ({"a": [1]}, {"a": [1.0]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, [1], False),
        ([1], [1, 2], False),
        ([1], {"a": 1}, False),
        ("a", "a", True),
        (None, 0, False),
    ],
)
def test_equality_is_that_of_json(one: Any, other: Any, are_equal: bool) -> None:
    assert equal_json(one, other) is are_equal
