"""What changed from a baseline to what improves on it, metric by metric."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from app.registry.direction import improves_downwards

# The metric that counts where nobody named one: the first of these that both models have.
_USUAL = ("accuracy", "f1_score", "f1", "auc", "roc_auc")


def deltas(
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    higher_is_better: Mapping[str, bool],
) -> dict[str, dict[str, Any]]:
    """For each metric of both: baseline, improved, delta, delta_percent, direction, improvement.

    Differences are those of the numbers as they are written in decimal, so 0.88 - 0.85 is 0.03.
    `delta_percent` is None for a baseline of zero. `improvement` is above zero where the improved
    model is better, whichever way the metric goes.
    """
    found = {}
    for name in sorted(baseline.keys() & improved.keys()):
        before, after = baseline[name], improved[name]
        downwards = improves_downwards(name, higher_is_better)
        delta = _minus(after, before)
        found[name] = {
            "baseline": before,
            "improved": after,
            "delta": delta,
            "delta_percent": _percent(delta, before),
            "higher_is_better": not downwards,
            "improvement": -delta if downwards and delta else delta,
        }
    return found


def primary_of(metrics: Iterable[str]) -> str | None:
    """The metric that counts by default: the only one, or the first of the usual ones."""
    names = set(metrics)
    if len(names) == 1:
        return names.pop()
    return next((name for name in _USUAL if name in names), None)


def delta_one(delta: Mapping[str, Any] | None) -> float | None:
    """The improvement in percentage points; None where the metric is no proportion (0 to 1)."""
    if delta is None:
        return None
    if not all(0 <= delta[side] <= 1 for side in ("baseline", "improved")):
        return None
    return float(Decimal(repr(delta["improvement"])) * 100)


def _minus(after: float, before: float) -> float:
    return float(Decimal(repr(after)) - Decimal(repr(before)))


def _percent(delta: float, before: float) -> float | None:
    if before == 0:
        return None
    with localcontext(prec=17):
        found = float(Decimal(repr(delta)) / Decimal(repr(before)) * 100)
    return found if math.isfinite(found) else None
