"""DeltaOne: the improvement on the primary metric, in percentage points."""

from collections.abc import Iterable
from decimal import Decimal

from app.control_plane.registry.deltas import Delta

# Where no primary metric is named: the first of these that both models have.
_USUAL_PRIMARY_METRICS = ("accuracy", "f1_score", "f1", "auc", "roc_auc")


def default_primary_metric(metrics: Iterable[str]) -> str | None:
    """The primary metric where none is named: the only metric, or the first of the usual ones."""
    names = set(metrics)
    if len(names) == 1:
        return names.pop()
    return next((name for name in _USUAL_PRIMARY_METRICS if name in names), None)


def delta_one(delta: Delta | None) -> float | None:
    """The improvement in percentage points; None where a value is not a proportion (0 to 1)."""
    if delta is None or not (0 <= delta.baseline <= 1 and 0 <= delta.improved <= 1):
        return None
    return float(Decimal(repr(delta.improvement)) * 100)
