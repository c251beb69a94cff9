"""JSON data that every reader understands in the same way."""

from typing import Any

import pytest

from app.core.json_data import LARGEST_INTEGER, MAX_DEPTH, check_json_data


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, True, LARGEST_INTEGER, -LARGEST_INTEGER, 0.5, "ü😀", [], {"a": [{}]}, nested(MAX_DEPTH)],
)
def test_portable_data_passes(value: Any) -> None:
    check_json_data(value, allow_nul=False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "not finite"),
        ([float("-inf")], "not finite"),
        (LARGEST_INTEGER + 1, "integer"),
        ({"a": -LARGEST_INTEGER - 1}, "integer"),
        ({1: "a"}, "key"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (nested(MAX_DEPTH + 1), "nested"),
        (b"bytes", "of a type that JSON does not have"),
        ([{1, 2}], "of a type that JSON does not have"),
    ],
)
def test_other_data_is_refused(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_json_data(value, allow_nul=True)


def test_nul_is_refused_where_it_cannot_be_stored() -> None:
    check_json_data({"a": "\0"}, allow_nul=True)
    for value in ("\0", {"\0": 1}, [["a\0"]]):
        with pytest.raises(ValueError, match="NUL"):
            check_json_data(value, allow_nul=False)
