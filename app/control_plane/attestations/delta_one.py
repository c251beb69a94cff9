"""DeltaOne: the metric that counts, and the percentage points that it improved by."""

from collections.abc import Iterable
from decimal import Decimal

from app.control_plane.registry.deltas import Delta

# The metric that counts where nobody named one: the first of these that both models have.
_USUAL = ("accuracy", "f1_score", "f1", "auc", "roc_auc")


def primary_of(metrics: Iterable[str]) -> str | None:
    """The metric that counts by default: the only one, or the first of the usual ones."""
    names = set(metrics)
    if len(names) == 1:
        return names.pop()
    return next((name for name in _USUAL if name in names), None)


def delta_one(delta: Delta | None) -> float | None:
    """The improvement in percentage points; None where the metric is no proportion (0 to 1)."""
    if delta is None or not (0 <= delta.baseline <= 1 and 0 <= delta.improved <= 1):
        return None
    return float(Decimal(repr(delta.improvement)) * 100)
