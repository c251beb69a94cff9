"""The SDK's verifier computes the judgement of an improvement again, and comes to the gateway's."""

import json
from hashlib import sha256
from typing import Any

from hokusai.verify import Result, verify
from hokusai.verify.acceptance import check_acceptance
from hypothesis import assume, given
from hypothesis import strategies as st

from app.control_plane.benchmarks.acceptance import Count, Discordant, judge
from app.control_plane.benchmarks.score_acceptance import FAMILIES, RANKS, judge_scores
from app.control_plane.benchmarks.scores import ScoreComparison
from tests.support.benchmarks import counts, new_benchmark, register_improved, scored
from tests.support.responses import good
from tests.support.training import Training

sizes = st.integers(1, 5000) | st.integers(1, 10_000_000)
both = sizes.flatmap(
    lambda n: st.tuples(*[st.builds(Count, st.integers(0, n), st.just(n)) for _ in range(2)])
)
pairs = st.none() | st.builds(Discordant, st.integers(0, 3000), st.integers(0, 3000))


@given(both, pairs, st.booleans(), st.integers(1, 5000), st.booleans())
def test_both_rules_come_to_the_same(
    models: tuple[Count, Count],
    discordant: Discordant | None,
    higher_is_better: bool,
    min_examples: int,
    held: bool,
) -> None:
    baseline, improved = models
    judged = judge(
        baseline,
        improved,
        higher_is_better=higher_is_better,
        min_examples=min_examples,
        discordant=discordant,
        guardrails_held=held,
    )
    guardrail = {
        "metric": "latency_ms",
        "max_worsening": 0.5,
        "higher_is_better": False,
        "baseline": 1.25,
        "improved": 1.75 if held else 1.76,
        "held": held,
    }
    evaluation = {
        "benchmark": {"higher_is_better": higher_is_better, "min_examples": min_examples},
        "baseline": {"successes": baseline.successes, "sample_size": baseline.sample_size},
        "improved": {"successes": improved.successes, "sample_size": improved.sample_size},
        "discordant": None
        if discordant is None
        else {
            "baseline_only": discordant.baseline_only,
            "improved_only": discordant.improved_only,
        },
        "guardrails": [guardrail],
        "acceptance": json.loads(json.dumps(judged.data())),
    }
    assert check_acceptance(evaluation).startswith(judged.reason)


grades = st.lists(st.integers(1, 5).map(float), min_size=2, max_size=60)
scores = grades | st.lists(
    st.floats(-1e9, 1e9) | st.floats(0, 1) | st.just(0.0), min_size=2, max_size=60
)


@given(st.sampled_from(FAMILIES), scores, scores, st.booleans(), st.booleans(), st.integers(2, 40))
def test_both_rules_of_scores_come_to_the_same(
    family: str,
    baseline: list[float],
    improved: list[float],
    higher_is_better: bool,
    by_row: bool,
    min_examples: int,
) -> None:
    if by_row:
        rows = min(len(baseline), len(improved))
        baseline, improved = baseline[:rows], improved[:rows]
    compared = ScoreComparison.of(baseline, improved, rows=len(baseline))
    models = (compared.baseline, compared.improved)
    assume(family == RANKS or any(one.standard_deviation for one in models))
    judged = judge_scores(
        family, compared, higher_is_better=higher_is_better, min_examples=min_examples
    )
    evaluation = {
        "benchmark": {
            "metric_family": family,
            "higher_is_better": higher_is_better,
            "min_examples": min_examples,
        },
        **compared.data(),
        "guardrails": [],
        "acceptance": judged.data(),
    }
    assert check_acceptance(json.loads(json.dumps(evaluation))).startswith(judged.reason)


def test_what_a_gateway_attests_of_scores_holds(training: Training) -> None:
    before, after = [0.5, 0.25, 0.75, 1.0], [0.625, 0.25, 0.875, 1.0]
    for family in FAMILIES:
        members = {"metric": "reward", "metric_family": family, "rows": 4}
        made = good(
            training.attest(
                kind="claimed",
                metrics={"baseline": {"reward": 0.625}, "improved": {"reward": 0.6875}},
                benchmark_id=new_benchmark(training.client, **members)["benchmark_id"],
                evaluation=scored(before, after),
            ),
            201,
        )
        check = verify(made)["acceptance"]
        assert check.result is Result.HOLDS
        assert check.detail.startswith("not_statistically_significant, as follows")


def test_a_probability_that_few_bits_of_a_double_hold_is_rounded_once(training: Training) -> None:
    """Of rows that all improve by about the same, the test by rows has such a one."""
    before, after = [0.0] * 32, [0.25, 0.25 + 2.0**-35] * 16
    benchmark = new_benchmark(
        training.client, metric="reward", metric_family="continuous", rows=len(before)
    )
    made = good(
        training.attest(
            kind="claimed",
            metrics={"baseline": {"reward": 0.0}, "improved": {"reward": sum(after) / len(after)}},
            benchmark_id=benchmark["benchmark_id"],
            evaluation=scored(before, after),
        ),
        201,
    )
    assert 0 < made["data"]["evaluation"]["acceptance"]["paired_p"] < 1e-318
    assert verify(made)["acceptance"].result is Result.HOLDS


def test_what_a_gateway_attests_holds(training: Training) -> None:
    guardrails = [{"metric": "latency_ms", "max_worsening": 0.2}]
    benchmark = new_benchmark(training.client, guardrails=guardrails)
    baseline = training.baseline(accuracy=0.85, latency_ms=0.1)
    for latency, reason in ((0.3, "accepted"), (0.30000000000000004, "guardrail_breached")):
        run_id = training.run(accuracy=0.88, latency_ms=latency)
        improved = good(register_improved(training, baseline, run_id=run_id), 201)
        made = good(
            training.attest(
                model_id=improved["model_id"],
                benchmark_id=benchmark["benchmark_id"],
                evaluation=counts(850, 880, discordant={"baseline_only": 20, "improved_only": 50}),
            ),
            201,
        )
        check = verify(made)["acceptance"]
        assert (check.result, check.detail.partition(",")[0]) == (Result.HOLDS, reason)
        assert _changed(made)["acceptance"].result is Result.FAILS


def _changed(document: dict[str, Any]) -> Any:
    """The report on a document whose bytes state one more success, hashed again."""
    text = document["bytes"].replace('"successes": 880', '"successes": 881')
    assert text != document["bytes"]
    return verify({"bytes": text, "hash": sha256(text.encode()).hexdigest()})
