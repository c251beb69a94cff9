"""The differences between two models' metrics."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.registry.deltas import deltas
from app.control_plane.registry.fields import LARGEST_METRIC

NUMBERS = st.floats(min_value=-LARGEST_METRIC, max_value=LARGEST_METRIC)


def test_differences_are_taken_between_decimal_numbers() -> None:
    found = deltas({"a": 0.85}, {"a": 0.88}, {})["a"]
    assert (found.delta, found.improvement) == (0.03, 0.03)


@given(NUMBERS, NUMBERS, st.booleans())
def test_a_delta_is_finite_and_has_the_sign_of_the_improvement(
    before: float, after: float, upwards: bool
) -> None:
    found = deltas({"m": before, "x": 1}, {"m": after, "y": 1}, {"m": upwards})
    assert list(found) == ["m"]
    delta = found["m"]
    assert json.loads(delta.model_dump_json())["delta"] == delta.delta
    assert math.isfinite(delta.delta)
    assert (delta.improvement > 0) == (after > before if upwards else after < before)
    assert (delta.delta_percent is None) or math.isfinite(delta.delta_percent)
    if before == 0:
        assert delta.delta_percent is None
