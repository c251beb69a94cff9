"""The differences between two models' metrics."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.registry.deltas import deltas
from app.control_plane.registry.fields import LARGEST_METRIC
from app.control_plane.registry.metric_direction import Direction

NUMBERS = st.floats(min_value=-LARGEST_METRIC, max_value=LARGEST_METRIC)


def test_differences_are_taken_between_decimal_numbers() -> None:
    found = deltas({"a": 0.85}, {"a": 0.88}, {})["a"]
    assert (found.delta, found.improvement) == (0.03, 0.03)


@given(NUMBERS, NUMBERS, st.booleans())
def test_a_delta_is_finite_and_has_the_sign_of_the_improvement(
    before: float, after: float, upwards: bool
) -> None:
    said = {"m": Direction(higher_is_better=upwards, source="said")}
    found = deltas({"m": before, "x": 1}, {"m": after, "y": 1}, said)
    assert list(found) == ["m"]
    delta = found["m"]
    assert json.loads(delta.model_dump_json())["delta"] == delta.delta
    assert math.isfinite(delta.delta)
    assert (delta.improvement > 0) == (after > before if upwards else after < before)
    assert (delta.delta_percent is None) or math.isfinite(delta.delta_percent)
    if before == 0:
        assert delta.delta_percent is None


def test_metrics_of_one_model_only_are_left_out() -> None:
    found = deltas({"b": 1, "a": 1, "x": 1}, {"a": 2, "b": 2, "y": 1}, {})
    assert list(found) == ["a", "b"]


def test_the_direction_decides_what_is_an_improvement() -> None:
    found = deltas({"loss": 0.5, "accuracy": 0.5}, {"loss": 0.4, "accuracy": 0.4}, {})
    assert (found["loss"].improvement, found["loss"].higher_is_better) == (0.1, False)
    assert (found["accuracy"].improvement, found["accuracy"].higher_is_better) == (-0.1, True)
    assert found["loss"].direction == "known"
    said = {"strange": Direction(higher_is_better=False, source="said")}
    strange = deltas({"strange": 0.5}, {"strange": 0.4}, said)["strange"]
    assert (strange.improvement, strange.higher_is_better, strange.direction) == (
        0.1,
        False,
        "said",
    )
    assert deltas({"strange": 0.5}, {"strange": 0.4}, {})["strange"].direction == "guessed"


def test_percentages_are_of_the_baseline() -> None:
    assert deltas({"a": 0.8}, {"a": 0.88}, {})["a"].delta_percent == 10.0
    assert deltas({"a": -2.0}, {"a": -1.0}, {})["a"].delta_percent == -50.0
    assert deltas({"a": 1e-300}, {"a": 1e300}, {})["a"].delta_percent is None


def test_no_change_is_a_positive_zero() -> None:
    assert str(deltas({"loss": 0.5}, {"loss": 0.5}, {})["loss"].improvement) == "0.0"
