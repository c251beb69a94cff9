"""Whether an improvement is accepted: the rule of the Hokusai platform, computed from counts.

An improvement counts where the metric gets better by at least one percentage point, and where the
lower bound of the 95 % confidence interval of the difference is above zero: a test of two
proportions with separate variances (Newcombe 1998, method 1), z = 1.96. McNemar's exact test is
reported beside it where the discordant pairs are known. Both conditions are decided with whole
numbers and fractions, so that no rounding of a computer's numbers changes them.
"""

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from app.control_plane.benchmarks.tail_probabilities import exact_mcnemar, upper_normal_tail

Reason = Literal[
    "accepted",
    "insufficient_samples",
    "delta_below_threshold",
    "not_statistically_significant",
    "guardrail_breached",
]
METHOD: Final = "two_proportion_z"
# One percentage point.
THRESHOLD: Final = Fraction(1, 100)
# The normal quantile of a two-sided interval of 95 %, as the platform has it.
Z: Final = Fraction(196, 100)
BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Count:
    """In how many of the rows that were evaluated the metric counts a success.

    0 <= successes <= sample_size, and sample_size > 0.
    """

    successes: int
    sample_size: int

    @property
    def share(self) -> Fraction:
        """The value of the metric."""
        return Fraction(self.successes, self.sample_size)

    @property
    def variance(self) -> Fraction:
        """The variance of the share, p(1 - p)/n."""
        return self.share * (1 - self.share) / self.sample_size


@dataclass(frozen=True, slots=True)
class Discordant:
    """How many rows only one of the two models has as a success."""

    baseline_only: int
    improved_only: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an improvement is accepted, and what that rests on.

    p_value: one-sided, for the hypothesis that the improved model is no better.
    ci_low_bps, ci_high_bps, effect_size_bps: the bounds of the 95 % confidence interval of the
        improvement and the improvement, in basis points, rounded half to even. The bounds are None
        where the test has no interval.
    """

    accepted: bool
    reason: Reason
    statistical_method: str
    p_value: float
    ci_low_bps: int | None
    ci_high_bps: int | None
    effect_size_bps: int

    def data(self) -> dict[str, Any]:
        """As a part of an attestation's data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Acceptance(Judgement):
    """A judgement by counts.

    mcnemar_p: two-sided; None where the discordant pairs are not known.
    """

    ci_low_bps: int
    ci_high_bps: int
    mcnemar_p: float | None


def judge(
    baseline: Count,
    improved: Count,
    *,
    higher_is_better: bool,
    min_examples: int,
    discordant: Discordant | None = None,
    guardrails_held: bool = True,
) -> Acceptance:
    """Judge an improvement. min_examples: how many rows have to be evaluated, of each model."""
    difference = improved.share - baseline.share
    effect = difference if higher_is_better else -difference
    variance = baseline.variance + improved.variance
    # That the lower bound is above zero, without a root: effect > z·√variance.
    is_significant = effect > 0 and effect**2 > Z**2 * variance
    reason = reason_of(
        min(baseline.sample_size, improved.sample_size) >= min_examples,
        effect,
        is_significant,
        guardrails_held,
    )
    scaled, squared = effect * BASIS_POINTS, Z**2 * variance * BASIS_POINTS**2
    return Acceptance(
        accepted=reason == "accepted",
        reason=reason,
        statistical_method=METHOD,
        p_value=_p_value(effect, variance),
        ci_low_bps=rounded_sum(scaled, -1, squared),
        ci_high_bps=rounded_sum(scaled, 1, squared),
        effect_size_bps=round(scaled),
        mcnemar_p=None
        if discordant is None
        else exact_mcnemar(discordant.baseline_only, discordant.improved_only),
    )


def reason_of(
    has_enough: bool, effect: Fraction, is_significant: bool, guardrails_held: bool
) -> Reason:
    """Why an improvement is accepted or not: the first condition that it does not meet."""
    if not has_enough:
        return "insufficient_samples"
    if effect < THRESHOLD:
        return "delta_below_threshold"
    if not is_significant:
        return "not_statistically_significant"
    return "accepted" if guardrails_held else "guardrail_breached"


def _p_value(effect: Fraction, variance: Fraction) -> float:
    if variance == 0:
        return 0.0 if effect > 0 else 1.0
    return upper_normal_tail(1 if effect >= 0 else -1, effect**2 / variance)


def rounded_sum(a: Fraction, sign: int, b: Fraction) -> int:
    """a + sign·√b, rounded to the nearest whole number, and half to even. b >= 0."""
    # (p + sign·√r) / d, of whole numbers.
    d = a.denominator * b.denominator
    p = a.numerator * b.denominator
    r = a.denominator**2 * b.numerator * b.denominator
    root = math.isqrt(4 * r)
    is_exact = root * root == 4 * r
    # Twice the sum, rounded down: the root is rounded towards the side that keeps it below.
    twice = (2 * p + (root if sign > 0 else -root - (not is_exact))) // d
    lower, is_odd = divmod(twice, 2)
    if not is_odd:
        return lower
    is_half = is_exact and (2 * p + sign * root) == twice * d
    return lower + (lower % 2 if is_half else 1)
