"""Validating metrics, and computing the differences between two models' metrics."""

from __future__ import annotations

import math
from typing import Any, Mapping

from hokusai.errors import MetricError


def validate_metrics(metrics: Mapping[str, Any], label: str) -> dict[str, float]:
    """Convert metrics to floats; NumPy's scalars are accepted.

    Args:
        metrics: Numbers by name.
        label: Which metrics these are, for error messages: `baseline`, `improved` or `given`.

    Raises:
        MetricError: A metric is not a finite number. The message names it.
    """
    if not isinstance(metrics, Mapping):
        raise MetricError(f"The {label} metrics must be a mapping of names to numbers.")
    return {str(name): _number(value, f"{label} metric {name}") for name, value in metrics.items()}


def _number(value: Any, what: str) -> float:
    # float() would accept a string of digits and a boolean, which are more likely mistakes.
    if isinstance(value, (str, bytes, bool)) or type(value).__name__ in ("bool_", "bool"):
        raise MetricError(f"The {what} is {value!r}, which is not a number.")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise MetricError(
            f"The {what} has the type {type(value).__name__}, which is not a number."
        ) from None
    if not math.isfinite(number):
        raise MetricError(f"The {what} is {number}, which is not finite.")
    return number


def metric_deltas(baseline: Mapping[str, float], improved: Mapping[str, float]) -> dict[str, float]:
    """Return improved minus baseline for each metric of the baseline.

    The sign does not depend on which direction is better.

    Raises:
        MetricError: The baseline has no metric, or the improved model lacks one of them.
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
    """Return the metrics that the gateway reads from a registration's metadata.

    These are the numbers under `metrics`, or, if there are none, the numbers at the top level.

    Raises:
        MetricError: One of these numbers is not finite.
    """
    for candidate in (metadata.get("metrics"), metadata):
        if isinstance(candidate, Mapping):
            numbers = {
                str(name): _number(value, f"metadata's metric {name}")
                for name, value in candidate.items()
                if _is_number(value)
            }
            if numbers:
                return numbers
    return {}


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, str, bytes)) or type(value).__name__ in ("bool_", "bool"):
        return False
    # NumPy's scalars are recognised by attribute, so that NumPy is not imported.
    return isinstance(value, (int, float)) or (
        hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
    )
