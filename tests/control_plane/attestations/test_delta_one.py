"""DeltaOne: the primary metric, and its improvement in percentage points."""

import pytest

from app.control_plane.attestations.delta_one import default_primary_metric, delta_one
from app.control_plane.registry.deltas import deltas


@pytest.mark.parametrize(
    ("metrics", "primary"),
    [
        (["anything"], "anything"),
        (["loss", "f1", "accuracy"], "accuracy"),
        (["roc_auc", "f1", "x"], "f1"),
        (["a", "b"], None),
        ([], None),
    ],
)
def test_the_default_is_the_only_metric_or_a_usual_one(
    metrics: list[str], primary: str | None
) -> None:
    assert default_primary_metric(metrics) == primary


@pytest.mark.parametrize(
    ("baseline", "improved", "points"),
    [
        (0.85, 0.88, 3.0),
        (0.28, 0.29, 1.0),
        (0.9, 0.8, -10.0),
        (0.0, 1.0, 100.0),
        (0.5, 1.1, None),
        (-0.1, 0.5, None),
        (12.0, 10.0, None),
    ],
)
def test_points_are_exact_and_of_proportions_only(
    baseline: float, improved: float, points: float | None
) -> None:
    delta = deltas({"accuracy": baseline}, {"accuracy": improved}, {})["accuracy"]
    assert delta_one(delta) == points


def test_a_metric_that_improves_downwards_gains_points_by_falling() -> None:
    delta = deltas({"error_rate": 0.2}, {"error_rate": 0.15}, {})["error_rate"]
    assert delta_one(delta) == 5.0


def test_no_delta_has_no_points() -> None:
    assert delta_one(None) is None
