"""The rule of acceptance, against independent computations and by its properties."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.benchmarks.acceptance import (
    Acceptance,
    Count,
    Discordant,
    Reason,
    judge,
    rounded_sum,
)
from app.control_plane.benchmarks.tail_probabilities import exact_mcnemar, upper_normal_tail

sizes = st.integers(1, 5000)
counts = sizes.flatmap(lambda n: st.builds(Count, st.integers(0, n), st.just(n)))


def of_accuracy(baseline: Count, improved: Count, min_examples: int = 1) -> Acceptance:
    return judge(baseline, improved, higher_is_better=True, min_examples=min_examples)


@pytest.mark.parametrize(
    ("baseline", "improved", "reason"),
    [
        (Count(850, 1000), Count(880, 1000), "accepted"),
        # One percentage point, but within what chance does.
        (Count(850, 1000), Count(860, 1000), "not_statistically_significant"),
        # Certain, but less than one percentage point.
        (Count(900_000, 1_000_000), Count(909_999, 1_000_000), "delta_below_threshold"),
        (Count(900_000, 1_000_000), Count(910_000, 1_000_000), "accepted"),
        (Count(85, 100), Count(100, 100), "insufficient_samples"),
        (Count(880, 1000), Count(850, 1000), "delta_below_threshold"),
        # Without any variance, every difference is certain.
        (Count(0, 1000), Count(1000, 1000), "accepted"),
    ],
)
def test_the_rule(baseline: Count, improved: Count, reason: Reason) -> None:
    judged = of_accuracy(baseline, improved, min_examples=800)
    assert (judged.accepted, judged.reason) == (reason == "accepted", reason)


def test_a_breached_guardrail_refuses_what_would_be_accepted() -> None:
    judged = judge(
        Count(850, 1000),
        Count(880, 1000),
        higher_is_better=True,
        min_examples=1,
        guardrails_held=False,
    )
    assert (judged.accepted, judged.reason) == (False, "guardrail_breached")


def test_a_known_result() -> None:
    """The figures of a two-sample comparison, as SciPy and R give them."""
    judged = judge(
        Count(850, 1000),
        Count(880, 1000),
        higher_is_better=True,
        min_examples=1000,
        discordant=Discordant(20, 50),
    )
    assert judged == Acceptance(
        accepted=True,
        reason="accepted",
        statistical_method="two_proportion_z",
        # (0.88 - 0.85) / sqrt(0.88 * 0.12 / 1000 + 0.85 * 0.15 / 1000), one-sided.
        p_value=0.024710375329790448,
        ci_low_bps=1,
        ci_high_bps=599,
        effect_size_bps=300,
        # SciPy: binomtest(20, 70).pvalue
        mcnemar_p=0.00044028500651396835,
    )


@given(counts, counts)
def test_the_figures_are_those_of_an_independent_computation(
    baseline: Count, improved: Count
) -> None:
    judged = of_accuracy(baseline, improved)
    with localcontext(prec=60):
        p, q = (Decimal(one.successes) / one.sample_size for one in (baseline, improved))
        root = (p * (1 - p) / baseline.sample_size + q * (1 - q) / improved.sample_size).sqrt()
        margin = Decimal("1.96") * root
        low, high = ((q - p - margin) * 10_000, (q - p + margin) * 10_000)
        assert abs(judged.ci_low_bps - low) <= Decimal("0.5")
        assert abs(judged.ci_high_bps - high) <= Decimal("0.5")
        if root:
            expected = math.erfc((q - p) / root / Decimal(2).sqrt()) / 2
            assert judged.p_value == pytest.approx(expected, rel=1e-12, abs=1e-300)
        # Not p - q, which is not exact in decimal.
        is_enough = 100 * (improved.share - baseline.share) >= 1
        assert judged.accepted == (is_enough and low > 0)


@given(counts, counts)
def test_exchanging_the_models_mirrors_the_result(one: Count, other: Count) -> None:
    forth, back = of_accuracy(one, other), of_accuracy(other, one)
    assert (forth.ci_low_bps, forth.ci_high_bps) == (-back.ci_high_bps, -back.ci_low_bps)
    assert forth.effect_size_bps == -back.effect_size_bps
    assert not (forth.accepted and back.accepted)
    if one.share != other.share:
        assert forth.p_value + back.p_value == pytest.approx(1)


@given(counts, counts)
def test_counting_failures_of_a_falling_metric_is_the_same(one: Count, other: Count) -> None:
    def failures(count: Count) -> Count:
        return Count(count.sample_size - count.successes, count.sample_size)

    falling = judge(failures(one), failures(other), higher_is_better=False, min_examples=1)
    assert falling == of_accuracy(one, other)


@given(counts, sizes, st.data())
def test_more_successes_never_lose_acceptance(
    baseline: Count, size: int, data: st.DataObject
) -> None:
    """Between the middle and all, where a higher share has the smaller variance as well."""
    fewer = data.draw(st.integers((size + 1) // 2, size))
    more = data.draw(st.integers(fewer, size))
    before = of_accuracy(baseline, Count(fewer, size))
    after = of_accuracy(baseline, Count(more, size))
    assert after.accepted >= before.accepted
    assert after.effect_size_bps >= before.effect_size_bps
    assert after.ci_low_bps >= before.ci_low_bps


@given(counts, counts, st.integers(2, 9))
def test_the_same_shares_of_more_rows_are_at_least_as_certain(
    baseline: Count, improved: Count, times: int
) -> None:
    def larger(count: Count) -> Count:
        return Count(count.successes * times, count.sample_size * times)

    before, after = of_accuracy(baseline, improved), of_accuracy(larger(baseline), larger(improved))
    assert after.accepted >= before.accepted
    assert after.ci_low_bps >= before.ci_low_bps
    assert after.ci_high_bps <= before.ci_high_bps


@given(counts, counts)
def test_the_parts_of_a_result_agree(baseline: Count, improved: Count) -> None:
    judged = of_accuracy(baseline, improved)
    assert judged.ci_low_bps <= judged.effect_size_bps <= judged.ci_high_bps
    assert 0 <= judged.p_value <= 1
    if judged.accepted:
        assert judged.effect_size_bps >= 100
        assert judged.ci_low_bps >= 0
        assert judged.p_value < 0.025


def exact_binomial(fewer: int, pairs: int) -> float:
    """Twice the probability of at most `fewer` heads, in whole numbers."""
    outcomes = sum(math.comb(pairs, k) for k in range(fewer + 1))
    return float(min(Fraction(1), Fraction(2 * outcomes, 2**pairs)))


@given(st.integers(0, 700), st.integers(0, 700))
def test_mcnemar_is_the_exact_sum(baseline_only: int, improved_only: int) -> None:
    pairs, fewer = baseline_only + improved_only, min(baseline_only, improved_only)
    assert exact_mcnemar(baseline_only, improved_only) == exact_binomial(fewer, pairs)


@pytest.mark.parametrize(
    ("fewer", "pairs"), [(997, 2_000), (460, 1_001), (19, 65), (0, 1_500), (1_400, 3_000)]
)
def test_mcnemar_of_many_pairs(fewer: int, pairs: int) -> None:
    assert exact_mcnemar(pairs - fewer, fewer) == exact_binomial(fewer, pairs)


@pytest.mark.parametrize("z", ["0", "0.001", "1.96", "5.999", "6", "6.001", "20", "37", "60"])
def test_the_normal_tail_has_the_digits_of_a_double(z: str) -> None:
    square, expected = Fraction(z) ** 2, math.erfc(float(z) / math.sqrt(2)) / 2
    assert upper_normal_tail(1, square) == pytest.approx(expected, rel=1e-12)
    assert upper_normal_tail(-1, square) == pytest.approx(1 - expected, rel=1e-15)


@given(
    st.fractions(-1000, 1000, max_denominator=60),
    st.fractions(0, 1000, max_denominator=60),
    st.sampled_from([-1, 1]),
)
def test_sums_with_a_root_are_rounded_exactly(a: Fraction, root: Fraction, sign: int) -> None:
    """Python rounds a fraction half to even."""
    assert rounded_sum(a, sign, root**2) == round(a + sign * root)
    # Next to a half, where a computation with doubles may err.
    squared = root**2 + Fraction(1, 10**40)
    with localcontext(prec=80):
        exact = Decimal(a.numerator) / a.denominator + sign * (
            (Decimal(squared.numerator) / squared.denominator).sqrt()
        )
        assert abs(rounded_sum(a, sign, squared) - exact) <= Decimal("0.5") + Decimal(10) ** -60


def test_data_has_the_members_of_the_attestation() -> None:
    judged = of_accuracy(Count(1, 2), Count(2, 2))
    assert replace(judged, **judged.data()) == judged
    assert set(judged.data()) == {
        "accepted",
        "reason",
        "statistical_method",
        "p_value",
        "ci_low_bps",
        "ci_high_bps",
        "effect_size_bps",
        "mcnemar_p",
    }
