"""What every judgement of an improvement has: its threshold, guardrails and reason."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Mapping

from hokusai.verify.json_fields import CheckFailed, integer_at, list_at, member, text_at
from hokusai.verify.strict_json import canonical_json

# One percentage point.
_THRESHOLD = Fraction(1, 100)
# The normal quantile of a two-sided interval of 95 %, as the Hokusai platform has it.
Z = Fraction(196, 100)
BASIS_POINTS = 10_000
# Numbers are subtracted with 28 decimal digits.
_DIGITS = Context(prec=28)


def turned(evaluation: Mapping[str, Any], difference: Fraction) -> Fraction:
    """Return a difference of the metric as an improvement: above 0 where it got better."""
    return difference if truth_at(evaluation, "benchmark", "higher_is_better") else -difference


def reason_of(
    evaluation: Mapping[str, Any], rows: int, effect: Fraction, *, is_significant: bool
) -> dict[str, Any]:
    """Return `accepted` and `reason`: the first condition that an improvement does not meet.

    Args:
        evaluation: The evaluation.
        rows: How many rows were evaluated, of the model with fewer.
        effect: The improvement.
        is_significant: Whether chance does not explain it.
    """
    held = guardrails_held(evaluation)
    reason = "accepted"
    if rows < integer_at(evaluation, "benchmark", "min_examples"):
        reason = "insufficient_samples"
    elif effect < _THRESHOLD:
        reason = "delta_below_threshold"
    elif not is_significant:
        reason = "not_statistically_significant"
    elif not held:
        reason = "guardrail_breached"
    return {"accepted": reason == "accepted", "reason": reason}


def guardrails_held(evaluation: Mapping[str, Any]) -> bool:
    """Return whether no guardrail is breached, as its metrics say.

    Raises:
        CheckFailed: A guardrail says otherwise of itself, or a part is missing.
    """
    held = True
    for one in list_at(evaluation, "guardrails"):
        before, after, most = (
            number_at(one, name) for name in ("baseline", "improved", "max_worsening")
        )
        change = _DIGITS.subtract(after, before)
        worsening = change.copy_negate() if truth_at(one, "higher_is_better") else change
        if truth_at(one, "held") != (worsening <= most):
            raise CheckFailed(f"the guardrail {text_at(one, 'metric')} says otherwise of itself")
        held = held and worsening <= most
    return held


def truth_at(document: Any, *path: str) -> bool:
    """Return a member that is true or false."""
    value = member(document, *path)
    if isinstance(value, bool):
        return value
    raise CheckFailed(f"{'.'.join(path)} is not true or false")


def number_at(document: Any, *path: str) -> Decimal:
    """Return a member that is a number, as it is written in decimal."""
    value = member(document, *path)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(canonical_json(value))
    raise CheckFailed(f"{'.'.join(path)} is not a number")
