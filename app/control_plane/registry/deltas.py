"""The differences between two models' metrics."""

import math
from collections.abc import Mapping
from decimal import Decimal, localcontext

from pydantic import BaseModel, Field

from app.control_plane.registry.metric_direction import Direction, DirectionSource, direction_of


class Delta(BaseModel):
    """One metric of a baseline and of the model that improves on it.

    Differences are taken between the numbers as they are written in decimal: 0.88 - 0.85 is 0.03.
    """

    baseline: float
    improved: float
    delta: float = Field(description="improved - baseline.")
    delta_percent: float | None = Field(
        description="delta in percent of the baseline's value; null where that value is zero."
    )
    higher_is_better: bool
    direction: DirectionSource = Field(
        default="guessed",
        description="How higher_is_better is known: `known` from the metric's name, `said` in a "
        "registration, or `guessed`.",
    )
    improvement: float = Field(
        description="Positive where the improved model is better, whichever way the metric "
        "improves."
    )


def deltas(
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    directions: Mapping[str, Direction],
) -> dict[str, Delta]:
    """The deltas of the metrics that both models have, by metric.

    directions: as they are recorded, by metric; those of other metrics follow from their names.
    """
    return {
        name: _delta(
            baseline[name],
            improved[name],
            directions.get(name) or direction_of(name),
        )
        for name in sorted(baseline.keys() & improved.keys())
    }


def _delta(baseline: float, improved: float, direction: Direction) -> Delta:
    delta = float(Decimal(repr(improved)) - Decimal(repr(baseline)))
    return Delta(
        baseline=baseline,
        improved=improved,
        delta=delta,
        delta_percent=_percent(delta, baseline),
        higher_is_better=direction.higher_is_better,
        direction=direction.source,
        # `or not delta`: no negative zero.
        improvement=delta if direction.higher_is_better or not delta else -delta,
    )


def _percent(delta: float, baseline: float) -> float | None:
    if baseline == 0:
        return None
    # 17 significant digits are enough to identify every double.
    with localcontext(prec=17):
        percent = float(Decimal(repr(delta)) / Decimal(repr(baseline)) * 100)
    return percent if math.isfinite(percent) else None
