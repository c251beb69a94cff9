"""The text that is hashed: always the same one, and only for data that all readers agree on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.attestations.canonical_json import canonical, digest, parse
from app.core.errors import UnprocessableError


@pytest.fixture
def usual_recursion() -> Iterator[None]:
    """Python's own recursion limit, which some library that the tests load may have lifted."""
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
def test_it_is_the_guides_form_and_reads_back(data: Any) -> None:
    text = canonical(data)
    assert text == json.dumps(data, sort_keys=True)
    assert text.isascii()
    assert parse(text) == data
    assert canonical(parse(text)) == text


def test_a_known_hash() -> None:
    assert canonical({"b": 1, "a": "ü"}) == '{"a": "\\u00fc", "b": 1}'
    assert digest(canonical({"b": 1, "a": "ü"})) == (
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
def test_what_json_cannot_say_is_refused(data: Any) -> None:
    with pytest.raises(UnprocessableError):
        canonical(data)


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
def test_what_can_be_read_in_two_ways_is_refused(text: str, usual_recursion: None) -> None:
    with pytest.raises(UnprocessableError):
        parse(text)


@given(st.text() | st.binary())
def test_hostile_text_is_refused_in_one_way(text: str | bytes) -> None:
    try:
        data = parse(text)
    except UnprocessableError:
        return
    assert parse(canonical(data)) == data


def test_nothing_that_the_gateway_loads_lifts_the_recursion_limit() -> None:
    """With a higher one, JSON of nothing but brackets overflows the stack and ends the process."""
    program = "import sys, app.main; print(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) <= 1000
