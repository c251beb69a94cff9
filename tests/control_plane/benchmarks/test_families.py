"""Evaluations by the score of each row, over HTTP."""

import hashlib
import json
import random
import struct
from typing import Any

import httpx
import pytest
from scipy import stats

from tests.support.benchmarks import counts, new_benchmark, register_improved, scored
from tests.support.responses import good, refused
from tests.support.training import Training

ROWS = 300
_random = random.Random(13)
# Per row 0 to 1, and in a fifth of the rows 0.
BEFORE = [0.0 if row % 5 == 0 else _random.random() for row in range(ROWS)]
AFTER = [min(1.0, one + _random.random() / 5) for one in BEFORE]
GRADES = [float(_random.randint(1, 4)) for _ in range(ROWS)]
HIGHER_GRADES = [min(5.0, one + _random.randint(0, 1)) for one in GRADES]


def mean(scores: list[float]) -> float:
    """As libraries compute it: added up one by one."""
    return sum(scores) / len(scores)


def family(training: Training, name: str = "continuous", **members: Any) -> str:
    """The id of a new benchmark of the metric `reward`."""
    stated = {"metric": "reward", "metric_family": name, "rows": ROWS, **members}
    found: str = new_benchmark(training.client, **stated)["benchmark_id"]
    return found


def claim(
    training: Training, benchmark_id: str, baseline: list[float], improved: list[float], **more: Any
) -> httpx.Response:
    """Attest the scores of two models, with their means as claimed metrics."""
    request = {
        "kind": "claimed",
        "metrics": {
            "baseline": {"reward": mean(baseline)},
            "improved": {"reward": mean(improved)},
        },
        "benchmark_id": benchmark_id,
        "evaluation": scored(baseline, improved),
        **more,
    }
    return training.attest(**request)


def digest(scores: list[float]) -> str:
    return hashlib.sha256(b"".join(struct.pack(">d", one) for one in scores)).hexdigest()


@pytest.mark.parametrize("name", ["continuous", "zero_inflated_continuous"])
def test_an_attestation_has_what_is_kept_of_the_scores(training: Training, name: str) -> None:
    made = good(claim(training, family(training, name), BEFORE, AFTER), 201)
    assert json.loads(made["bytes"]) == made["data"]
    evaluation = made["data"]["evaluation"]
    assert evaluation["benchmark"]["metric_family"] == name
    assert evaluation["source"] == "given"
    for which, scores in (("baseline", BEFORE), ("improved", AFTER)):
        kept = evaluation[which]
        assert kept == {
            "sample_size": ROWS,
            "mean": pytest.approx(mean(scores)),
            "standard_deviation": pytest.approx(stats.tstd(scores)),
            "zeros": scores.count(0),
            "scores_sha256": digest(scores),
        }
    assert made["data"]["evaluation"]["baseline"]["zeros"] == ROWS // 5
    acceptance = evaluation["acceptance"]
    assert acceptance["reason"] == "accepted"
    assert acceptance["statistical_method"] == "welch_t"
    welch = stats.ttest_ind(AFTER, BEFORE, equal_var=False, alternative="greater")
    assert acceptance["p_value"] == pytest.approx(welch.pvalue)
    interval = stats.ttest_ind(AFTER, BEFORE, equal_var=False).confidence_interval(0.95)
    assert acceptance["ci_low_bps"] == round(interval.low * 10_000)
    assert acceptance["ci_high_bps"] == round(interval.high * 10_000)
    assert acceptance["paired_p"] == pytest.approx(stats.ttest_rel(AFTER, BEFORE).pvalue)
    # All of it follows from what is signed, without the scores.
    again = stats.ttest_ind_from_stats(
        *(evaluation["improved"][one] for one in ("mean", "standard_deviation", "sample_size")),
        *(evaluation["baseline"][one] for one in ("mean", "standard_deviation", "sample_size")),
        equal_var=False,
        alternative="greater",
    )
    assert acceptance["p_value"] == pytest.approx(again.pvalue)


def test_ranks_are_judged_without_an_interval(training: Training) -> None:
    made = good(claim(training, family(training, "rank_or_ordinal"), GRADES, HIGHER_GRADES), 201)
    evaluation = made["data"]["evaluation"]
    expected = stats.mannwhitneyu(HIGHER_GRADES, GRADES, alternative="greater")
    assert evaluation["ranks"]["u"] == expected.statistic
    ties = [(GRADES + HIGHER_GRADES).count(grade) for grade in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert evaluation["ranks"]["tie_term"] == sum(t**3 - t for t in ties)
    higher = sum(one < other for one, other in zip(GRADES, HIGHER_GRADES, strict=True))
    assert (evaluation["by_row"]["higher"], evaluation["by_row"]["lower"]) == (higher, 0)
    acceptance = evaluation["acceptance"]
    assert acceptance == {
        "accepted": True,
        "reason": "accepted",
        "statistical_method": "mann_whitney_u",
        "p_value": pytest.approx(expected.pvalue),
        "ci_low_bps": None,
        "ci_high_bps": None,
        "effect_size_bps": round((mean(HIGHER_GRADES) - mean(GRADES)) * 10_000),
        "paired_p": pytest.approx(stats.binomtest(0, higher).pvalue),
    }


@pytest.mark.parametrize(
    ("name", "members", "models", "reason"),
    [
        ("continuous", {"rows": ROWS + 1}, (BEFORE, AFTER), "insufficient_samples"),
        ("continuous", {}, (BEFORE, [one + 0.0099 for one in BEFORE]), "delta_below_threshold"),
        (
            "continuous",
            {},
            (BEFORE, [one + 0.02 for one in BEFORE]),
            "not_statistically_significant",
        ),
        ("rank_or_ordinal", {}, (HIGHER_GRADES, GRADES), "delta_below_threshold"),
        (
            "rank_or_ordinal",
            {"min_examples": 4},
            ([1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.5, 4.5]),
            "not_statistically_significant",
        ),
        (
            "rank_or_ordinal",
            {"min_examples": 4},
            ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]),
            "accepted",
        ),
    ],
)
def test_why_an_improvement_is_not_accepted(
    training: Training,
    name: str,
    members: dict[str, Any],
    models: tuple[list[float], list[float]],
    reason: str,
) -> None:
    made = good(claim(training, family(training, name, **members), *models), 201)
    acceptance = made["data"]["evaluation"]["acceptance"]
    assert (acceptance["reason"], acceptance["accepted"]) == (reason, reason == "accepted")


def test_scores_of_some_rows_are_not_compared_by_row(training: Training) -> None:
    benchmark_id = family(training, min_examples=100)
    made = good(claim(training, benchmark_id, BEFORE[:200], AFTER[:200]), 201)
    evaluation = made["data"]["evaluation"]
    assert (evaluation["by_row"], evaluation["acceptance"]["paired_p"]) == (None, None)


def test_a_loss_improves_downwards(training: Training) -> None:
    benchmark_id = family(training, metric="absolute_error", rows=ROWS)
    metrics = {
        "baseline": {"absolute_error": mean(AFTER)},
        "improved": {"absolute_error": mean(BEFORE)},
    }
    made = good(claim(training, benchmark_id, AFTER, BEFORE, metrics=metrics), 201)
    acceptance = made["data"]["evaluation"]["acceptance"]
    assert acceptance["accepted"] is True
    assert acceptance["effect_size_bps"] == round((mean(AFTER) - mean(BEFORE)) * 10_000)


@pytest.mark.parametrize(
    ("evaluation", "where"),
    [
        (scored(BEFORE[1:], AFTER), "evaluation.baseline: the mean of the 299 scores"),
        (scored(BEFORE, [*AFTER[1:], 0.5]), "evaluation.improved: the mean"),
        (scored([*BEFORE, mean(BEFORE)], AFTER), f"more than the {ROWS} rows"),
        (counts(100, 200, ROWS), "need scores"),
        ({"baseline": {"scores": BEFORE}, "improved": counts(1, 1)["improved"]}, "both"),
        (scored(BEFORE, AFTER, discordant={"baseline_only": 0, "improved_only": 0}), "discordant"),
        (scored([0.5], AFTER), "a list of 2 to 8000 entries"),
        (scored(["0.5"] * 3, AFTER), "scores"),
        (scored([True] * 3, AFTER), "scores"),
        (scored([None] * 3, AFTER), "scores"),
        (scored([2e9, 1.0], AFTER), "scores"),
        (scored([0.5] * 8001, AFTER), "8000"),
        (
            {"baseline": {"scores": BEFORE, "sample_size": ROWS}, "improved": {"scores": AFTER}},
            "sam",
        ),
        (
            {"baseline": {"scores": [mean(BEFORE)] * 9}, "improved": {"scores": [mean(AFTER)] * 9}},
            "the same score in all rows",
        ),
    ],
)
def test_what_is_wrong_is_refused(
    training: Training, benchmark_id: str, evaluation: dict[str, Any], where: str
) -> None:
    response = claim(training, benchmark_id, BEFORE, AFTER, evaluation=evaluation)
    assert where in refused(response, 422, "validation_failed")["message"]


@pytest.fixture(scope="module")
def benchmark_id(training: Training) -> str:
    return family(training, min_examples=2)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(
    training: Training, benchmark_id: str, number: str
) -> None:
    body = {
        "kind": "claimed",
        "metrics": {"baseline": {"reward": 0.5}, "improved": {"reward": 0.6}},
        "benchmark_id": benchmark_id,
        "evaluation": scored([0.25, 0.75], [0.5, 0.7]),
    }
    text = json.dumps(body).replace("0.75", number)
    response = training.client.post(
        "/api/attestations", content=text, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (400, 422)
    assert response.json()["reason"] in ("invalid_parameter", "validation_failed")


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [
        (lambda exact: exact, True),
        # The last digit differs by how the numbers were added up.
        (lambda exact: exact * (1 + 2**-51), True),
        (lambda exact: struct.unpack("<f", struct.pack("<f", exact))[0], True),
        (lambda exact: round(exact, 4), False),
        (lambda exact: exact + 1e-9, False),
    ],
)
def test_the_metric_is_the_mean_to_its_last_digits(
    training: Training, benchmark_id: str, value: Any, is_taken: bool
) -> None:
    metrics = {
        "baseline": {"reward": mean(BEFORE)},
        "improved": {"reward": value(mean(AFTER))},
    }
    response = claim(training, benchmark_id, BEFORE, AFTER, metrics=metrics)
    if is_taken:
        good(response, 201)
    else:
        assert "without rounding" in refused(response, 422, "validation_failed")["message"]


def test_scores_are_for_their_families_only(training: Training) -> None:
    accuracy = new_benchmark(training.client, rows=ROWS)["benchmark_id"]
    ones = [1.0 if one > 0.5 else 0.0 for one in BEFORE]
    metrics = {"baseline": {"accuracy": mean(ones)}, "improved": {"accuracy": mean(ones)}}
    response = claim(training, accuracy, ones, ones, metrics=metrics)
    assert "need successes" in refused(response, 422, "validation_failed")["message"]


def test_a_registered_evaluation_is_attested_without_the_scores(training: Training) -> None:
    made = family(training)
    first = training.baseline(reward=mean(BEFORE))
    second = good(
        register_improved(
            training,
            first,
            run_id=training.run(reward=mean(AFTER)),
            benchmark_id=made,
            evaluation=scored(BEFORE, AFTER),
        ),
        201,
    )
    assert second["evaluation"]["improved"]["scores_sha256"] == digest(AFTER)
    attested = good(training.attest(model_id=second["model_id"]), 201)["data"]["evaluation"]
    assert attested == second["evaluation"]
    # The same ones may be given again, and others of the same mean may not.
    stated = {"model_id": second["model_id"], "benchmark_id": made}
    again = good(training.attest(**stated, evaluation=scored(BEFORE, AFTER)), 201)
    assert again["data"]["evaluation"] == attested
    tamer = [(mean(AFTER) + one) / 2 for one in AFTER]
    response = training.attest(**stated, evaluation=scored(BEFORE, tamer))
    assert "other counts or scores" in refused(response, 422, "validation_failed")["message"]


def test_the_largest_evaluation_is_taken(training: Training) -> None:
    """With scores of all digits, both models' are in one request."""
    rows = 8000
    before = [-_random.random() * 1e-5 for _ in range(rows)]
    after = [_random.random() * 1e-5 + 0.02 for _ in range(rows)]
    made = good(claim(training, family(training, rows=rows), before, after), 201)
    assert made["data"]["evaluation"]["acceptance"]["accepted"] is True
