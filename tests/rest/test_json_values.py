"""JSON values that are stored unchanged have one meaning, and contain no secrets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.access.identity.key_format import new_key
from app.core.json_data import LARGEST_INTEGER, MAX_DEPTH
from app.rest.json_values import Document, check_document

document: TypeAdapter[dict[str, Any]] = TypeAdapter(Document)


def nested(levels: int) -> Any:
    """A value of so many levels."""
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "finite"),
        ([float("inf")], "finite"),
        ({"a": [LARGEST_INTEGER + 1]}, "send it as text"),
        (-LARGEST_INTEGER - 1, "send it as text"),
        ("a\0b", "NUL"),
        ({"a\0": 1}, "NUL"),
        ("\ud800", "unpaired surrogate"),
        (nested(MAX_DEPTH + 1), "more than 32 levels"),
        ({"note": new_key()}, "must not contain an API key"),
        ({new_key(): 1}, "must not contain an API key"),
    ],
)
def test_a_value_that_cannot_be_stored_unchanged_is_refused(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_document(value)


@pytest.mark.parametrize(
    "value",
    [None, True, 0, LARGEST_INTEGER, -LARGEST_INTEGER, 0.5, "\U0001f600", nested(MAX_DEPTH)],
)
def test_the_size_of_another_value_is_returned(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert check_document(value) == len(text.encode())


def test_a_larger_value_is_refused() -> None:
    assert check_document("x" * 98, limit=100) == 100
    with pytest.raises(ValueError, match="must have at most"):
        check_document("\u00e4" * 50, limit=100)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner),
        max_leaves=10,
    )
)
def test_a_value_that_is_accepted_survives_json(value: Any) -> None:
    check_document(value)
    assert json.loads(json.dumps(value)) == value


def test_a_document_is_an_object() -> None:
    assert document.validate_python({"a": [1]}) == {"a": [1]}
    with pytest.raises(ValidationError):
        document.validate_python([1])
    with pytest.raises(ValidationError, match="NUL"):
        document.validate_python({"a": "\0"})
