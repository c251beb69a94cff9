"""What programs hold, as JSON."""

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
def test_what_programs_hold_becomes_json(value: Any, expected: Any) -> None:
    found = to_json_data(value)

    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), numpy.float32("nan")])
def test_numbers_that_are_not_finite_are_refused_with_their_place(value: float) -> None:
    with pytest.raises(InputError, match=r"metadata\['deep'\]\[1\] is"):
        to_json_data({"deep": [1, value]}, "metadata")


def test_other_objects_are_refused_with_their_place() -> None:
    with pytest.raises(InputError, match=r"metadata\['model'\] has the type object"):
        to_json_data({"model": object()}, "metadata")


def test_what_holds_itself_is_refused() -> None:
    round_trip: list[Any] = []
    round_trip.append(round_trip)

    with pytest.raises(InputError, match="contains itself"):
        to_json_data(round_trip)


def test_the_same_document_has_the_same_bytes() -> None:
    assert encode_json({"b": 1, "a": 2}) == encode_json({"a": 2, "b": 1})
