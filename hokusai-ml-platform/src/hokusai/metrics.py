"""Metrics as the gateway takes them, and differences between them."""

from __future__ import annotations

import math
from typing import Any, Mapping

from hokusai.errors import MetricError


def validate_metrics(metrics: Mapping[str, Any], whose: str) -> dict[str, float]:
    """The metrics as floats, NumPy's scalars too. Raises MetricError, which names the metric."""
    if not isinstance(metrics, Mapping):
        raise MetricError(f"The {whose} metrics have to be a mapping of names to numbers.")
    return {str(name): _number(value, f"{whose} metric {name}") for name, value in metrics.items()}


def _number(value: Any, what: str) -> float:
    # A string of digits and a truth value would pass for numbers, and are more likely mistakes.
    if isinstance(value, (str, bytes, bool)) or type(value).__name__ in ("bool_", "bool"):
        raise MetricError(f"The {what} is {value!r}, which is not a number.")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise MetricError(f"The {what} is a {type(value).__name__}, not a number.") from None
    if not math.isfinite(number):
        raise MetricError(f"The {what} is {number}, which is not finite.")
    return number


def metric_deltas(baseline: Mapping[str, float], improved: Mapping[str, float]) -> dict[str, float]:
    """Improved minus baseline for each metric of the baseline, whichever way is better.

    Raises MetricError where the improved model lacks one, or there is none at all.
    """
    if not baseline:
        raise MetricError("The baseline has no metrics to compare with.")
    missing = [name for name in baseline if name not in improved]
    if missing:
        raise MetricError(
            f"The improved metrics lack {', '.join(missing)}, which the baseline has."
        )
    return {name: improved[name] - value for name, value in baseline.items()}


def metrics_in_metadata(metadata: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that the gateway reads from a registration's metadata: the numbers under
    `metrics`, or else those at its top. Raises MetricError for one that is not finite.
    """
    for place in (metadata.get("metrics"), metadata):
        if isinstance(place, Mapping):
            numbers = {
                str(name): _number(value, f"metadata's metric {name}")
                for name, value in place.items()
                if _is_number(value)
            }
            if numbers:
                return numbers
    return {}


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, str, bytes)) or type(value).__name__ in ("bool_", "bool"):
        return False
    # NumPy's numbers are of no class that we could name without importing it.
    return isinstance(value, (int, float)) or (
        hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
    )
