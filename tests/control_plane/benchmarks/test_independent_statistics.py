"""What the gateway computes from counts and scores, beside SciPy and statsmodels."""

import warnings
from collections.abc import Iterator
from fractions import Fraction
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from app.control_plane.benchmarks.acceptance import Count, judge
from app.control_plane.benchmarks.score_acceptance import ScoreAcceptance, judge_scores
from app.control_plane.benchmarks.scores import ScoreComparison
from app.control_plane.benchmarks.student_t import t_quantile, upper_t_tail
from app.control_plane.benchmarks.tail_probabilities import exact_mcnemar

ONE_SIDED = 0.025

sizes = st.integers(2, 3000)
counts = sizes.flatmap(lambda n: st.builds(Count, st.integers(0, n), st.just(n)))
# Scores as models have them, on a scale on which sums of doubles lose few digits.
scores = st.lists(st.integers(-2000, 2000).map(lambda n: n / 1000), min_size=2, max_size=60)
grades = st.lists(st.integers(1, 5).map(float), min_size=2, max_size=80)
directions = st.booleans()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Both libraries warn of samples without variance, whose results are not compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def close(expected: float) -> Any:
    """To the digits that doubles have in far tails."""
    return pytest.approx(expected, rel=1e-8, abs=1e-12)


def judged(
    family: str, baseline: list[float], improved: list[float], *, higher: bool = True
) -> ScoreAcceptance:
    compared = ScoreComparison.of(baseline, improved, rows=len(baseline))
    return judge_scores(family, compared, higher_is_better=higher, min_examples=2)


def better(
    baseline: list[float], improved: list[float], *, higher: bool
) -> tuple[list[float], list[float]]:
    """The scores of both models, turned so that higher is better."""
    sign = 1 if higher else -1
    return [sign * one for one in baseline], [sign * one for one in improved]


@given(counts, counts)
def test_the_interval_of_two_proportions(baseline: Count, improved: Count) -> None:
    found = judge(baseline, improved, higher_is_better=True, min_examples=1)
    low, high = confint_proportions_2indep(
        improved.successes,
        improved.sample_size,
        baseline.successes,
        baseline.sample_size,
        method="wald",
        compare="diff",
        # The platform's z is 1.96, and not the quantile of exactly 95 %.
        alpha=2 * stats.norm.sf(1.96),
    )
    assert found.ci_low_bps == pytest.approx(low * 10_000, abs=0.500001)
    assert found.ci_high_bps == pytest.approx(high * 10_000, abs=0.500001)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_exact_test(baseline_only: int, improved_only: int) -> None:
    expected = mcnemar([[7, baseline_only], [improved_only, 9]], exact=True).pvalue
    assert exact_mcnemar(baseline_only, improved_only) == close(expected)


@given(scores, scores, directions)
def test_welchs_test(baseline: list[float], improved: list[float], higher: bool) -> None:
    assume(len({*baseline}) > 1 or len({*improved}) > 1)
    found = judged("continuous", baseline, improved, higher=higher)
    before, after = better(baseline, improved, higher=higher)
    expected = stats.ttest_ind(after, before, equal_var=False, alternative="greater")
    assert found.p_value == close(expected.pvalue)
    # Another library, which has the interval.
    means = CompareMeans(DescrStatsW(after), DescrStatsW(before))
    low, high = means.tconfint_diff(alpha=0.05, usevar="unequal")
    assert found.ci_low_bps == pytest.approx(low * 10_000, abs=0.501)
    assert found.ci_high_bps == pytest.approx(high * 10_000, abs=0.501)
    assert found.effect_size_bps == pytest.approx((mean(after) - mean(before)) * 10_000, abs=0.501)
    # Either side of the rule, but where it is decided by rounding.
    effect = Fraction(found.effect_size_bps, 10_000)
    if abs(low) > 1e-9 and abs(effect - Fraction(1, 100)) > Fraction(1, 5000):
        assert found.accepted == bool(low > 0 and effect > Fraction(1, 100))


@given(st.data(), sizes.filter(lambda n: n <= 60), directions)
def test_the_paired_tests(data: st.DataObject, rows: int, higher: bool) -> None:
    by_row = st.lists(st.integers(0, 9).map(float), min_size=rows, max_size=rows)
    baseline, improved = data.draw(by_row), data.draw(by_row)
    assume(len({*baseline}) > 1 or len({*improved}) > 1)
    differences = [after - before for before, after in zip(baseline, improved, strict=True)]
    if len({*differences}) > 1:
        found = judged("zero_inflated_continuous", baseline, improved, higher=higher)
        expected = stats.ttest_rel(improved, baseline).pvalue
        assert found.paired_p == close(expected)
    by_ranks = judged("rank_or_ordinal", baseline, improved, higher=higher)
    more, unequal = sum(one > 0 for one in differences), sum(one != 0 for one in differences)
    expected = stats.binomtest(more, unequal).pvalue if unequal else 1
    assert by_ranks.paired_p == close(expected)


@given(st.one_of(st.tuples(grades, grades), st.tuples(scores, scores)), directions)
def test_the_test_of_mann_and_whitney(
    models: tuple[list[float], list[float]], higher: bool
) -> None:
    baseline, improved = models
    found = judged("rank_or_ordinal", baseline, improved, higher=higher)
    before, after = better(baseline, improved, higher=higher)
    everything = [*before, *after]
    assume(len({*everything}) > 1)
    is_exact = len({*everything}) == len(everything) and max(len(before), len(after)) < 50
    method = "exact" if is_exact else "asymptotic"
    expected = stats.mannwhitneyu(after, before, alternative="greater", method=method)
    assert found.p_value == close(expected.pvalue)
    assert found.statistical_method == f"mann_whitney_u{'_exact' if is_exact else ''}"
    compared = ScoreComparison.of(baseline, improved, rows=1)
    assert compared.ranks.u == stats.mannwhitneyu(improved, baseline).statistic
    if abs(expected.pvalue - ONE_SIDED) > 1e-4 and found.effect_size_bps > 101:
        assert found.accepted == bool(expected.pvalue < ONE_SIDED)
    assert (found.ci_low_bps, found.ci_high_bps) == (None, None)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=50))
def test_what_is_kept_of_the_scores(one: list[float]) -> None:
    kept = ScoreComparison.of(one, one, rows=len(one)).baseline
    exact = [Fraction(score) for score in one]
    assert kept.mean == float(sum(exact) / len(exact))
    assert kept.standard_deviation == pytest.approx(stdev(exact), rel=1e-15, abs=5e-324)
    assert kept.zeros == np.count_nonzero(np.array(one) == 0)


@given(st.fractions(1, 20_000, max_denominator=50), st.floats(0.01, 60))
def test_students_distribution(freedom: Fraction, t: float) -> None:
    tail = upper_t_tail(1, Fraction(t) ** 2, freedom)
    assert tail == pytest.approx(stats.t.sf(t, float(freedom)), rel=1e-9)
    assert upper_t_tail(-1, Fraction(t) ** 2, freedom) == pytest.approx(1 - tail, rel=1e-15)
    assert float(t_quantile(freedom)) == pytest.approx(stats.t.isf(0.025, float(freedom)), rel=1e-9)


def test_students_distribution_where_it_has_a_closed_form() -> None:
    """With one degree of freedom it is Cauchy's: the quantile is the tangent of 0.475 π."""
    assert str(t_quantile(Fraction(1))).startswith("12.7062047361747046460216799788")
    # With two: t = 0.95 / √(2 · 0.025 · 0.975).
    assert str(t_quantile(Fraction(2))).startswith("4.30265272974946385232094389262")
