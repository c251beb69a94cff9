"""What changed from a baseline to what improves on it, metric by metric."""

import math
from collections.abc import Mapping
from decimal import Decimal, localcontext

from pydantic import BaseModel, Field

from app.control_plane.registry.metric_direction import improves_downwards


class Delta(BaseModel):
    """One metric of two models.

    Differences are those of the numbers as they are written in decimal, so 0.88 - 0.85 is 0.03.
    """

    baseline: float
    improved: float
    delta: float = Field(description="improved - baseline.")
    delta_percent: float | None = Field(
        description="Of the baseline's value; null where that is zero."
    )
    higher_is_better: bool
    improvement: float = Field(
        description="Above zero where the improved model is better, whichever way the metric goes."
    )


def deltas(
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    higher_is_better: Mapping[str, bool],
) -> dict[str, Delta]:
    """The deltas of the metrics that both models have.

    higher_is_better: directions that were given, by metric; names tell those of the others.
    """
    return {
        name: _delta(
            baseline[name],
            improved[name],
            downwards=improves_downwards(name, higher_is_better),
        )
        for name in sorted(baseline.keys() & improved.keys())
    }


def _delta(before: float, after: float, *, downwards: bool) -> Delta:
    delta = float(Decimal(repr(after)) - Decimal(repr(before)))
    return Delta(
        baseline=before,
        improved=after,
        delta=delta,
        delta_percent=_percent(delta, before),
        higher_is_better=not downwards,
        improvement=-delta if downwards and delta else delta,
    )


def _percent(delta: float, before: float) -> float | None:
    if before == 0:
        return None
    with localcontext(prec=17):
        found = float(Decimal(repr(delta)) / Decimal(repr(before)) * 100)
    return found if math.isfinite(found) else None
