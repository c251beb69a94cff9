"""Validating the arguments of a registration."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from hokusai.core.inputs import (
    LogArguments,
    ModelSource,
    contribution_list,
    metric_fields,
    validate_address,
)
from hokusai.errors import InputError, MetricError

NOTHING_TO_LOG = LogArguments(None, None, None, None)
ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"


@pytest.mark.parametrize(
    "source",
    [
        ModelSource(object(), None, None, None, LogArguments("sklearn", [1], None, {"a": 1})),
        ModelSource(None, "runs:/r/model", None, None, NOTHING_TO_LOG),
        ModelSource(None, None, "r", "model", NOTHING_TO_LOG),
    ],
)
def test_a_source_that_is_named_once_is_valid(source: ModelSource) -> None:
    source.validate()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ModelSource(None, None, None, None, NOTHING_TO_LOG), "exactly one"),
        (ModelSource(object(), "runs:/r/model", None, None, NOTHING_TO_LOG), "exactly one"),
        (ModelSource(None, "runs:/r/model", "r", None, NOTHING_TO_LOG), "exactly one"),
        (
            ModelSource(None, None, "r", None, LogArguments(None, numpy.zeros(2), None, None)),
            "in MLflow already",
        ),
    ],
)
def test_other_sources_are_rejected(source: ModelSource, message: str) -> None:
    with pytest.raises(InputError, match=message):
        source.validate()


def test_metric_fields_are_json_data() -> None:
    assert metric_fields({"accuracy": numpy.float32(0.5)}, {"f1": 1}, "f1", {"f1": True}) == {
        "metadata": {"accuracy": 0.5},
        "metrics": {"f1": 1.0},
        "primary_metric": "f1",
        "higher_is_better": {"f1": True},
    }
    assert set(metric_fields(None, None, None, None).values()) == {None}


def test_metric_fields_name_a_metric_that_is_not_finite() -> None:
    with pytest.raises(MetricError, match="metadata's metric accuracy"):
        metric_fields({"accuracy": float("inf")}, None, None, None)


def test_contributions_are_one_mapping_several_or_none() -> None:
    one = {"samples": 1}

    assert contribution_list(None) == []
    assert contribution_list(one) == [one]
    assert contribution_list((one, one)) == [one, one]
    with pytest.raises(InputError, match="a list of mappings"):
        contribution_list([one, "other"])  # type: ignore[list-item]


def test_an_address_has_the_form_of_ethereums() -> None:
    validate_address(None)
    validate_address(ADDRESS)
    validate_address(ADDRESS.lower())


@pytest.mark.parametrize("address", ["", "0x12", ADDRESS + "0", ADDRESS[2:], 7, b"0x"])
def test_another_form_of_an_address_is_rejected(address: Any) -> None:
    with pytest.raises(InputError, match="not a valid Ethereum address"):
        validate_address(address)
