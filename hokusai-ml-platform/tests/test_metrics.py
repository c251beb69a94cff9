"""Validating metrics, and the differences between them."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from hokusai.errors import MetricError
from hokusai.metrics import metric_deltas, metrics_in_metadata, validate_metrics


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "0.9", None, True, numpy.bool_(True), [0.9], object()]
)
def test_a_value_that_is_not_a_finite_number_is_a_value_error_that_names_the_metric(
    value: Any,
) -> None:
    with pytest.raises(MetricError, match="baseline metric accuracy") as raised:
        validate_metrics({"accuracy": value}, "baseline")

    assert isinstance(raised.value, ValueError)


def test_metrics_must_be_a_mapping() -> None:
    with pytest.raises(MetricError, match="must be a mapping of names to numbers"):
        validate_metrics([0.9], "given")  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    metrics = {"a": numpy.float32(0.5), "b": 1, "c": numpy.int8(2)}

    assert validate_metrics(metrics, "given") == {"a": 0.5, "b": 1.0, "c": 2.0}


def test_a_delta_is_improved_minus_baseline() -> None:
    assert metric_deltas({"loss": 0.5}, {"loss": 0.25, "more": 1.0}) == {"loss": -0.25}


def test_a_metric_that_the_improved_model_lacks_is_named() -> None:
    with pytest.raises(MetricError, match="lack f1"):
        metric_deltas({"f1": 0.5}, {"accuracy": 0.5})


def test_a_baseline_without_metrics_cannot_be_compared() -> None:
    with pytest.raises(MetricError, match="no metrics"):
        metric_deltas({}, {"accuracy": 0.5})


def test_metrics_in_metadata_are_under_metrics_or_at_the_top_level() -> None:
    assert metrics_in_metadata({"metrics": {"a": 1, "note": "x"}, "rows": 5}) == {"a": 1.0}
    assert metrics_in_metadata({"accuracy": 0.89, "dataset": "d", "final": True}) == {
        "accuracy": 0.89
    }
    assert metrics_in_metadata({"metrics": {}, "accuracy": numpy.float32(0.5)}) == {"accuracy": 0.5}
    assert metrics_in_metadata({}) == {}
