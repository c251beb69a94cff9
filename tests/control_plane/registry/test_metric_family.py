"""Which metrics are shares of the rows of a test set."""

import pytest

from app.control_plane.registry.metric_family import is_share


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", True),
        ("val_accuracy", True),
        ("exact_match,strict-match", True),
        ("error_rate", True),
        ("Recall", True),
        ("f1", False),
        ("rmse", False),
        ("roc_auc", False),
        ("balanced_accuracy", False),
        ("macro_precision", False),
        ("churn_score", None),
        ("latency_ms", False),
    ],
)
def test_shares(metric: str, expected: bool | None) -> None:
    assert is_share(metric) is expected
