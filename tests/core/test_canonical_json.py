"""The canonical text: one for each value, and only for data that all readers understand alike."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.canonical_json import canonicalize, digest, parse
from app.core.errors import UnprocessableError


@pytest.fixture
def usual_recursion() -> Iterator[None]:
    """Python's default recursion limit, which a library that the tests load may have raised."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


DATA: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(DATA)
def test_it_is_the_form_of_the_integration_guide_and_parses_back(data: Any) -> None:
    text = canonicalize(data)
    assert text == json.dumps(data, sort_keys=True)
    assert text.isascii()
    assert parse(text) == data
    assert canonicalize(parse(text)) == text


def test_a_known_hash() -> None:
    assert canonicalize({"b": 1, "a": "ü"}) == '{"a": "\\u00fc", "b": 1}'
    assert digest(canonicalize({"b": 1, "a": "ü"})) == (
        "ad8fbfe93e9dabd60732b28a6ad8bf14da30593b8ad4339f992a5c607a01512a"
    )


@pytest.mark.parametrize(
    "data",
    [
        float("nan"),
        [float("inf")],
        {"a": {"b": -float("inf")}},
        2**53,
        {"a": -(2**53)},
        {1: "a"},
        {"a": {2, 3}},
        ["\ud800"],
        {"\udfff": 1},
        b"bytes",
    ],
)
def test_data_that_json_cannot_represent_is_refused(data: Any) -> None:
    with pytest.raises(UnprocessableError):
        canonicalize(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "1e999",
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        "1" * 20,
        "[" * 40 + "]" * 40,
        "[" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_ambiguous_json_is_refused(text: str, usual_recursion: None) -> None:
    with pytest.raises(UnprocessableError):
        parse(text)


@given(st.text() | st.binary())
def test_any_text_is_parsed_or_refused(text: str | bytes) -> None:
    try:
        data = parse(text)
    except UnprocessableError:
        return
    assert parse(canonicalize(data)) == data


def test_nothing_that_the_gateway_loads_raises_the_recursion_limit() -> None:
    """With a higher limit, JSON of opening brackets overflows the stack and ends the process."""
    program = "import sys, app.main; print(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) <= 1000
