"""Converting the values of Python programs to JSON."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from hokusai.errors import InputError
from hokusai.json_encoding import encode_json, to_json_data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (numpy.float32(0.5), 0.5),
        (numpy.int64(3), 3),
        (numpy.bool_(True), True),
        (numpy.array([[1, 2]]), [[1, 2]]),
        (pandas.Series([1.5, 2.5]), [1.5, 2.5]),
        ((1, "a", None), [1, "a", None]),
        ({1: {"b": numpy.float64(2)}}, {"1": {"b": 2.0}}),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Path("a/b"), "a/b"),
        (True, True),
    ],
)
def test_values_are_converted_to_plain_json_types(value: Any, expected: Any) -> None:
    data = to_json_data(value)

    assert data == expected
    assert json.loads(json.dumps(data, allow_nan=False)) == expected
    assert type(data) is type(expected)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), numpy.float32("nan")])
def test_a_number_that_is_not_finite_is_rejected_with_its_place(value: float) -> None:
    with pytest.raises(InputError, match=r"metadata\['deep'\]\[1\] is"):
        to_json_data({"deep": [1, value]}, "metadata")


def test_an_object_of_another_class_is_rejected_with_its_place() -> None:
    with pytest.raises(InputError, match=r"metadata\['model'\] has the type object"):
        to_json_data({"model": object()}, "metadata")


def test_an_object_whose_conversion_returns_itself_is_rejected() -> None:
    class Stubborn:
        def tolist(self) -> Stubborn:
            return self

    with pytest.raises(InputError, match="has the type Stubborn"):
        to_json_data(Stubborn())


def test_data_that_contains_itself_is_rejected() -> None:
    cyclic: list[Any] = []
    cyclic.append(cyclic)

    with pytest.raises(InputError, match="contains itself"):
        to_json_data(cyclic)


def test_equal_documents_have_equal_bytes() -> None:
    assert encode_json({"b": 1, "a": 2}) == encode_json({"a": 2, "b": 1}) == b'{"a": 2, "b": 1}'
