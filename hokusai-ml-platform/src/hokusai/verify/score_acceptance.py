"""Whether an improvement is accepted whose metric is a mean of scores of rows.

It follows from what an attestation has of the scores, as the numbers are written in decimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Mapping

from hokusai.verify.acceptance_rule import BASIS_POINTS, Z, number_at, reason_of, truth_at, turned
from hokusai.verify.fixed_point import ONE, ratio, root, times
from hokusai.verify.json_fields import CheckFailed, integer_at, member, text_at
from hokusai.verify.mann_whitney import exact_upper_tail, is_exact, upper_tail, z_of
from hokusai.verify.student_t import t_quantile, two_sided_t_tail, upper_t_tail
from hokusai.verify.tail_probabilities import exact_mcnemar

# The most rows of a benchmark that is judged by scores, and the largest number of them.
MAX_SCORES = 8_000
_LARGEST = 10**10
# The significance of a one-sided test.
_LEVEL = Fraction(1, 40)


@dataclass(frozen=True)
class _Sample:
    rows: int
    mean: Fraction
    # The square of the standard error of the mean.
    squared: Fraction


def by_means(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Judge by Welch's t test, with the degrees of freedom of Satterthwaite.

    Returns:
        The members of `acceptance`.
    """
    _require_family(evaluation, ("continuous", "zero_inflated_continuous"))
    baseline, improved = (_sample(evaluation, name) for name in ("baseline", "improved"))
    effect = turned(evaluation, improved.mean - baseline.mean)
    squared = baseline.squared + improved.squared
    if squared == 0:
        raise CheckFailed("the scores of neither model differ")
    freedom = squared**2 / (
        baseline.squared**2 / (baseline.rows - 1) + improved.squared**2 / (improved.rows - 1)
    )
    middle = ratio(effect.numerator, effect.denominator)
    margin = times(t_quantile(freedom), root(ratio(squared.numerator, squared.denominator)))
    rows = min(baseline.rows, improved.rows)
    return {
        **reason_of(evaluation, rows, effect, is_significant=middle > margin),
        "p_value": upper_t_tail(1 if effect >= 0 else -1, effect**2 / squared, freedom),
        "effect_size_bps": round(effect * BASIS_POINTS),
        "ci_low_bps": round(Fraction((middle - margin) * BASIS_POINTS, ONE)),
        "ci_high_bps": round(Fraction((middle + margin) * BASIS_POINTS, ONE)),
        "paired_p": _paired_t(evaluation, baseline.rows),
    }


def by_ranks(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Judge by the test of Mann and Whitney, which has no interval.

    Returns:
        The members of `acceptance`.
    """
    _require_family(evaluation, ("rank_or_ordinal",))
    baseline, improved = (_sample(evaluation, name) for name in ("baseline", "improved"))
    effect = turned(evaluation, improved.mean - baseline.mean)
    sizes = improved.rows, baseline.rows
    pairs, total = improved.rows * baseline.rows, improved.rows + baseline.rows
    u = Fraction(number_at(evaluation, "ranks", "u"))
    ties = integer_at(evaluation, "ranks", "tie_term")
    if not (0 <= u <= pairs and (2 * u).denominator == 1 and ties <= total**3 - total):
        raise CheckFailed("the ranks are not possible")
    if not truth_at(evaluation, "benchmark", "higher_is_better"):
        u = pairs - u
    if is_exact(sizes, ties):
        if u.denominator != 1:
            raise CheckFailed("the ranks are not possible")
        method, p = "mann_whitney_u_exact", exact_upper_tail(int(u), sizes)
        is_significant, p_value = p < _LEVEL, p.numerator / p.denominator
    else:
        method, z = "mann_whitney_u", z_of(u, sizes, ties)
        is_significant = z is not None and z[0] > 0 and z[1] > Z**2
        p_value = upper_tail(z)
    rows = min(sizes)
    return {
        **reason_of(evaluation, rows, effect, is_significant=is_significant),
        "statistical_method": method,
        "p_value": p_value,
        "effect_size_bps": round(effect * BASIS_POINTS),
        "ci_low_bps": None,
        "ci_high_bps": None,
        "paired_p": _sign_test(evaluation, baseline.rows),
    }


def _require_family(evaluation: Mapping[str, Any], families: tuple[str, ...]) -> None:
    family = text_at(evaluation, "benchmark", "metric_family")
    if family not in families:
        raise CheckFailed(f"a metric of the family {family} is not judged by this method")


def _sample(evaluation: Mapping[str, Any], which: str) -> _Sample:
    rows = integer_at(evaluation, which, "sample_size")
    mean, deviation = (
        Fraction(number_at(evaluation, which, name)) for name in ("mean", "standard_deviation")
    )
    if not (2 <= rows <= MAX_SCORES and abs(mean) <= _LARGEST and 0 <= deviation <= _LARGEST):
        raise CheckFailed(f"the scores of {which} are not possible")
    return _Sample(rows, mean, deviation**2 / rows)


def _paired_t(evaluation: Mapping[str, Any], rows: int) -> float | None:
    if member(evaluation, "by_row") is None:
        return None
    mean, deviation = (
        Fraction(number_at(evaluation, "by_row", name)) for name in ("mean", "standard_deviation")
    )
    if not (abs(mean) <= _LARGEST and 0 <= deviation <= _LARGEST):
        raise CheckFailed("the differences by row are not possible")
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return two_sided_t_tail(mean**2 * rows / deviation**2, Fraction(rows - 1))


def _sign_test(evaluation: Mapping[str, Any], rows: int) -> float | None:
    if member(evaluation, "by_row") is None:
        return None
    higher, lower = (integer_at(evaluation, "by_row", name) for name in ("higher", "lower"))
    if higher + lower > rows:
        raise CheckFailed("the differences by row are not possible")
    return exact_mcnemar(lower, higher)
