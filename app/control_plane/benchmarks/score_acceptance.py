"""Whether an improvement is accepted whose metric is a mean of scores of rows.

The rule is that of `acceptance`: an improvement of at least one hundredth of the metric's unit, and
significant with 95 % confidence. By Welch's t test (1947, with the degrees of freedom of
Satterthwaite) for `continuous` and `zero_inflated_continuous`, of all rows, zeros among them; by
the test of Mann and Whitney for `rank_or_ordinal`, which has no interval in the metric's unit.
Everything follows from the numbers of a `ScoreComparison`, as they are written in decimal.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Final

from app.control_plane.benchmarks.acceptance import BASIS_POINTS, Judgement, Z, reason_of
from app.control_plane.benchmarks.mann_whitney import (
    approximate_upper_tail,
    exact_upper_tail,
    is_exact,
    squared_z,
)
from app.control_plane.benchmarks.scores import ScoreComparison, ScoreSummary, exactly
from app.control_plane.benchmarks.student_t import t_quantile, two_sided_t_tail, upper_t_tail
from app.control_plane.benchmarks.tail_probabilities import DIGITS, decimal_of, exact_mcnemar

RANKS: Final = "rank_or_ordinal"
# The families whose metric is a mean of scores.
FAMILIES: Final = ("continuous", "zero_inflated_continuous", RANKS)


@dataclass(frozen=True, slots=True)
class ScoreAcceptance(Judgement):
    """Whether an improvement is accepted, and what that rests on.

    paired_p: the two-sided p-value of a test by rows: of Student's t test, and of the sign test for
        ranks. None where the scores are not by row.
    """

    paired_p: float | None


def judge_scores(
    family: str,
    compared: ScoreComparison,
    *,
    higher_is_better: bool,
    min_examples: int,
    guardrails_held: bool = True,
) -> ScoreAcceptance:
    """Judge an improvement.

    min_examples: how many rows have to be evaluated, of each model. For another family than
    `rank_or_ordinal`, the scores of one of the models have to differ.
    """
    baseline, improved = compared.baseline, compared.improved
    difference = exactly(improved.mean) - exactly(baseline.mean)
    effect = difference if higher_is_better else -difference
    test = _by_ranks if family == RANKS else _by_means
    found = test(compared, effect, higher_is_better)
    reason = reason_of(
        min(baseline.sample_size, improved.sample_size) >= min_examples,
        effect,
        found.is_significant,
        guardrails_held,
    )
    return ScoreAcceptance(
        accepted=reason == "accepted",
        reason=reason,
        statistical_method=found.method,
        p_value=found.p_value,
        ci_low_bps=found.low,
        ci_high_bps=found.high,
        effect_size_bps=round(effect * BASIS_POINTS),
        paired_p=found.paired_p,
    )


@dataclass(frozen=True, slots=True)
class _Tested:
    """The result of a test. low, high: the bounds of the interval, in basis points."""

    method: str
    is_significant: bool
    p_value: float
    paired_p: float | None
    low: int | None = None
    high: int | None = None


def _by_means(compared: ScoreComparison, effect: Fraction, higher_is_better: bool) -> _Tested:
    first, second = (_squared_error(one) for one in (compared.baseline, compared.improved))
    squared = first + second
    freedom = squared**2 / (
        first**2 / (compared.baseline.sample_size - 1)
        + second**2 / (compared.improved.sample_size - 1)
    )
    with localcontext(prec=DIGITS):
        middle, margin = decimal_of(effect), t_quantile(freedom) * decimal_of(squared).sqrt()
        return _Tested(
            "welch_t",
            middle > margin,
            upper_t_tail(1 if effect >= 0 else -1, effect**2 / squared, freedom),
            _paired_t(compared),
            _rounded(middle - margin),
            _rounded(middle + margin),
        )


def _squared_error(one: ScoreSummary) -> Fraction:
    """The square of the standard error of the mean."""
    return exactly(one.standard_deviation) ** 2 / one.sample_size


def _rounded(value: Decimal) -> int:
    return int((value * BASIS_POINTS).to_integral_value(ROUND_HALF_EVEN))


def _paired_t(compared: ScoreComparison) -> float | None:
    """The two-sided p-value of Student's t test of the differences by row."""
    by_row, rows = compared.by_row, compared.baseline.sample_size
    if by_row is None:
        return None
    mean, squared = exactly(by_row.mean), exactly(by_row.standard_deviation) ** 2 / rows
    if squared == 0:
        return 1.0 if mean == 0 else 0.0
    return two_sided_t_tail(mean**2 / squared, Fraction(rows - 1))


def _by_ranks(compared: ScoreComparison, effect: Fraction, higher_is_better: bool) -> _Tested:
    sizes = compared.improved.sample_size, compared.baseline.sample_size
    above, ties = Fraction(compared.ranks.u), compared.ranks.tie_term
    u = above if higher_is_better else sizes[0] * sizes[1] - above
    by_row = compared.by_row
    paired = None if by_row is None else exact_mcnemar(by_row.lower, by_row.higher)
    if is_exact(sizes, ties):
        p_value = exact_upper_tail(int(u), sizes)
        is_significant = p_value < Fraction(1, 40)
        return _Tested("mann_whitney_u_exact", is_significant, float(p_value), paired)
    z = squared_z(u, sizes, ties)
    is_significant = z is not None and z[0] > 0 and z[1] > Z**2
    p_approximate = approximate_upper_tail(u, sizes, ties)
    return _Tested("mann_whitney_u", is_significant, p_approximate, paired)
