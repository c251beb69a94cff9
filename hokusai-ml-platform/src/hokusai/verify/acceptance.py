"""Whether an improvement is accepted, computed again from what was attested of its evaluation."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any, Callable, Mapping

from hokusai.verify.acceptance_rule import BASIS_POINTS, Z, reason_of, turned
from hokusai.verify.json_fields import (
    CheckFailed,
    NotChecked,
    integer_at,
    member,
    object_at,
    text_at,
)
from hokusai.verify.score_acceptance import by_means, by_ranks
from hokusai.verify.strict_json import canonical_json, equal_json
from hokusai.verify.tail_probabilities import exact_mcnemar, upper_normal_tail

# The most rows that a benchmark has.
MAX_ROWS = 10_000_000


def check_acceptance(evaluation: Any) -> str:
    """Check the attested judgement of an improvement, by computing it again.

    Args:
        evaluation: The member `evaluation` of an attestation's data.

    Returns:
        What holds, in words.

    Raises:
        CheckFailed: It does not follow from what was attested, or a part is missing.
        NotChecked: It was made by a method that is not known here.
    """
    stated = object_at(evaluation, "acceptance")
    method = text_at(stated, "statistical_method")
    judge = METHODS.get(method)
    if judge is None:
        raise NotChecked(f"it is not computed again: the method {method} is not known here")
    for name, value in judge(evaluation).items():
        if not equal_json(member(stated, name), value):
            raise CheckFailed(
                f"{name} is {canonical_json(stated[name])}, but {canonical_json(value)} follows "
                "from what was attested"
            )
    what = "counts" if judge is _two_proportions else "scores"
    return f"{stated['reason']}, as follows from the attested {what} by {method}"


def _two_proportions(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The judgement of two shares: a test of two proportions with separate variances.

    Returns:
        The members of `acceptance`.
    """
    baseline, improved = (_count(evaluation, name) for name in ("baseline", "improved"))
    effect = turned(evaluation, improved[0] - baseline[0])
    variance = sum(share * (1 - share) / rows for share, rows in (baseline, improved))
    # That the lower bound of the interval is above zero, without a root.
    is_significant = effect > 0 and effect**2 > Z**2 * variance
    rows = min(baseline[1], improved[1])
    if variance:
        p_value = upper_normal_tail(1 if effect >= 0 else -1, Fraction(effect**2, variance))
    else:
        p_value = 0.0 if effect > 0 else 1.0
    margin = Z**2 * variance * BASIS_POINTS**2
    return {
        **reason_of(evaluation, rows, effect, is_significant=is_significant),
        "p_value": p_value,
        "effect_size_bps": round(effect * BASIS_POINTS),
        "ci_low_bps": _rounded(effect * BASIS_POINTS, -1, margin),
        "ci_high_bps": _rounded(effect * BASIS_POINTS, 1, margin),
        "mcnemar_p": _mcnemar(evaluation),
    }


def _count(evaluation: Mapping[str, Any], which: str) -> tuple[Fraction, int]:
    """The share of successes of a model, and the number of its rows."""
    successes = integer_at(evaluation, which, "successes")
    rows = integer_at(evaluation, which, "sample_size")
    if not 0 < rows <= MAX_ROWS or successes > rows:
        raise CheckFailed(f"the counts of {which} are not possible")
    return Fraction(successes, rows), rows


def _mcnemar(evaluation: Mapping[str, Any]) -> float | None:
    if member(evaluation, "discordant") is None:
        return None
    pairs = [
        integer_at(evaluation, "discordant", name) for name in ("baseline_only", "improved_only")
    ]
    if sum(pairs) > MAX_ROWS:
        raise CheckFailed("the discordant pairs are not possible")
    return exact_mcnemar(*pairs)


def _rounded(a: Fraction, sign: int, b: Fraction) -> int:
    """a + sign·√b, rounded to the nearest whole number, and half to even."""
    # Twice the sum is (p + sign·√r) / d, of whole numbers.
    d = a.denominator * b.denominator
    p, r = 2 * a.numerator * b.denominator, 4 * a.denominator**2 * b.numerator * b.denominator
    whole = isqrt(r)
    is_exact = whole * whole == r
    twice = (p + (whole if sign > 0 else -whole - (not is_exact))) // d
    is_half = is_exact and twice % 2 == 1 and p + sign * whole == twice * d
    return round(Fraction(twice, 2)) if is_half else (twice + 1) // 2


# How each method judges: from the evaluation, the members of `acceptance` that follow from it.
METHODS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "two_proportion_z": _two_proportions,
    "welch_t": by_means,
    "mann_whitney_u": by_ranks,
    "mann_whitney_u_exact": by_ranks,
}
