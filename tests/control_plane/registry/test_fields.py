"""Kinds of values in registration requests."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.control_plane.registry.fields import LARGEST_METRIC, Metrics, ModelName, Tags

METRICS: TypeAdapter[dict[str, float]] = TypeAdapter(Metrics)
TAGS: TypeAdapter[dict[str, str]] = TypeAdapter(Tags)
NAME: TypeAdapter[str] = TypeAdapter(ModelName)


def test_metrics_are_numbers_up_to_a_bound() -> None:
    metrics = {"a": 1, "b": -LARGEST_METRIC, "c": 0.5}
    assert METRICS.validate_python(metrics) == metrics


@pytest.mark.parametrize("value", ["1", True, None, float("nan"), float("inf"), 1.1e300, -1.1e300])
def test_other_values_are_no_metrics(value: Any) -> None:
    with pytest.raises(ValidationError):
        METRICS.validate_python({"a": value})


def test_values_of_tags_become_text_as_json_writes_them() -> None:
    tags = {"a": "x", "b": 2.0, "c": 3, "d": True, "team/name - x:y_z": ""}
    assert TAGS.validate_python(tags) == {
        "a": "x",
        "b": "2.0",
        "c": "3",
        "d": "true",
        "team/name - x:y_z": "",
    }


@pytest.mark.parametrize(
    "key", ["", "a//b", "/a", "a/", "..", "a/../b", "a\n", "hokusai.x", "MLflow.x", "a" * 251]
)
def test_names_of_tags_that_are_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        TAGS.validate_python({key: "x"})


@pytest.mark.parametrize("value", ["a\0", "x" * 5001, None, []])
def test_values_of_tags_that_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TAGS.validate_python({"a": value})


def test_a_model_name_is_refused_in_the_words_of_mlflows_rules() -> None:
    assert NAME.validate_python("a name") == "a name"
    with pytest.raises(ValidationError, match="slash, a colon"):
        NAME.validate_python("a/b")
