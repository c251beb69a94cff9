"""Evaluations on benchmarks: in registrations and attestations, over HTTP."""

import json
from typing import Any

import pytest

from tests.support.benchmarks import (
    commit,
    counts,
    new_benchmark,
    register_improved,
)
from tests.support.responses import good, refused
from tests.support.training import Training


@pytest.fixture(scope="module")
def benchmark(training: Training) -> dict[str, Any]:
    return new_benchmark(training.client)


@pytest.fixture(scope="module")
def baseline(training: Training) -> dict[str, Any]:
    return training.baseline(accuracy=0.85)


@pytest.fixture(scope="module")
def improved(training: Training, baseline: dict[str, Any]) -> dict[str, Any]:
    """Registered without an evaluation."""
    found: dict[str, Any] = good(register_improved(training, baseline), 201)
    return found


def test_an_attestation_has_the_counts_and_the_judgement(
    training: Training, benchmark: dict[str, Any], improved: dict[str, Any]
) -> None:
    stated = counts(850, 880, discordant={"baseline_only": 20, "improved_only": 50})
    made = good(
        training.attest(
            model_id=improved["model_id"],
            benchmark_id=benchmark["benchmark_id"],
            evaluation=stated,
        ),
        201,
    )
    assert json.loads(made["bytes"]) == made["data"]
    evaluation = made["data"]["evaluation"]
    assert {name: evaluation[name] for name in stated} == stated
    assert evaluation["source"] == "given"
    # With its tenant, since anybody can give a benchmark the name of another one.
    assert evaluation["benchmark"]["tenant"] == benchmark["tenant"]
    for name in ("benchmark_id", "dataset_hash", "rows", "metric", "record_sha256", "log_index"):
        assert evaluation["benchmark"][name] == benchmark[name]
    assert evaluation["benchmark"]["metric_family"] == "proportion"
    assert evaluation["predictions"] == {"baseline": None, "improved": None}
    assert evaluation["guardrails"] == []
    assert evaluation["acceptance"] == {
        "accepted": True,
        "reason": "accepted",
        "statistical_method": "two_proportion_z",
        "p_value": 0.024710375329790448,
        "ci_low_bps": 1,
        "ci_high_bps": 599,
        "effect_size_bps": 300,
        "mcnemar_p": 0.00044028500651396835,
    }
    assert made["data"]["primary_metric"] == "accuracy"


def test_an_attestation_without_a_benchmark_has_none(
    training: Training, improved: dict[str, Any]
) -> None:
    made = good(training.attest(model_id=improved["model_id"]), 201)
    assert made["data"]["evaluation"] is None


@pytest.mark.parametrize(
    ("evaluation", "where"),
    [
        (counts(850, 890), "890 of 1000 is not the attested accuracy 0.88"),
        (counts(849, 880), "evaluation.baseline: 849"),
        (counts(1700, 1760, 2000), "more than the 1000 rows"),
        (counts(850, 1001), "successes must not be above sample_size"),
        (counts(-1, 880), "successes"),
        (counts(850, 880, discordant={"baseline_only": 20, "improved_only": 51}), "must be 30"),
        (
            counts(850, 880, discordant={"baseline_only": 851, "improved_only": 881}),
            "more rows than there are",
        ),
        (
            counts(850, 880, discordant={"baseline_only": 121, "improved_only": 151}),
            "more rows than there are",
        ),
        ({"baseline": {"successes": 1, "sample_size": 1}}, "improved"),
        ({**counts(850, 880), "cells": []}, "cells"),
    ],
)
def test_wrong_counts_are_refused(
    training: Training,
    benchmark: dict[str, Any],
    improved: dict[str, Any],
    evaluation: dict[str, Any],
    where: str,
) -> None:
    response = training.attest(
        model_id=improved["model_id"],
        benchmark_id=benchmark["benchmark_id"],
        evaluation=evaluation,
    )
    assert where in refused(response, 422, "validation_failed")["message"]


def test_what_does_not_belong_together_is_refused(
    training: Training,
    stranger: Training,
    benchmark: dict[str, Any],
    baseline: dict[str, Any],
    improved: dict[str, Any],
) -> None:
    model_id, benchmark_id = improved["model_id"], benchmark["benchmark_id"]
    stated = counts(850, 880)
    for half in ({"benchmark_id": benchmark_id}, {"evaluation": stated}):
        response = training.attest(model_id=model_id, **half)
        assert "together" in refused(response, 422, "validation_failed")["message"]
    whole = {"benchmark_id": benchmark_id, "evaluation": stated}
    alone = training.attest(model_id=baseline["model_id"], **whole)
    assert "two models" in refused(alone, 422, "validation_failed")["message"]
    other = training.attest(model_id=model_id, **whole, primary_metric="f1")
    assert "primary_metric" in refused(other, 422, "validation_failed")["message"]
    nowhere = training.attest(model_id=model_id, benchmark_id="hkb_none", evaluation=stated)
    refused(nowhere, 404, "not_found")
    hidden = new_benchmark(stranger.client, private=True)["benchmark_id"]
    theirs = training.attest(model_id=model_id, benchmark_id=hidden, evaluation=stated)
    refused(theirs, 404, "not_found")


def test_a_metric_that_the_models_lack_is_refused(
    training: Training, improved: dict[str, Any]
) -> None:
    for members in (
        {"metric": "recall"},
        {"guardrails": [{"metric": "latency_ms", "max_worsening": 5}]},
    ):
        made = new_benchmark(training.client, **members)
        response = training.attest(
            model_id=improved["model_id"],
            benchmark_id=made["benchmark_id"],
            evaluation=counts(850, 880),
        )
        refused(response, 422, "validation_failed")


@pytest.mark.parametrize(
    ("members", "after", "reason"),
    [
        ({}, (0.88, 100), "accepted"),
        ({"rows": 1500}, (0.88, 100), "insufficient_samples"),
        ({"rows": 1500, "min_examples": 1000}, (0.88, 100), "accepted"),
        ({}, (0.855, 100), "delta_below_threshold"),
        ({}, (0.87, 100), "not_statistically_significant"),
        ({"guardrails": [{"metric": "latency_ms", "max_worsening": 5}]}, (0.88, 105), "accepted"),
        (
            {"guardrails": [{"metric": "latency_ms", "max_worsening": 5}]},
            (0.88, 105.1),
            "guardrail_breached",
        ),
    ],
)
def test_the_judgement_over_http(
    training: Training, members: dict[str, Any], after: tuple[float, float], reason: str
) -> None:
    accuracy, latency = after
    made = new_benchmark(training.client, **members)
    first = training.baseline(accuracy=0.85, latency_ms=100)
    run_id = training.run(accuracy=accuracy, latency_ms=latency)
    second = good(
        register_improved(
            training,
            first,
            run_id=run_id,
            benchmark_id=made["benchmark_id"],
            evaluation=counts(850, round(accuracy * 1000)),
        ),
        201,
    )
    acceptance = second["evaluation"]["acceptance"]
    assert (acceptance["reason"], acceptance["accepted"]) == (reason, reason == "accepted")
    warned = [one["code"] for one in second["warnings"]]
    assert ("not_accepted" in warned) == (reason != "accepted")
    # The attestation has the same counts and the same judgement without being given them again.
    attested = good(training.attest(model_id=second["model_id"]), 201)["data"]["evaluation"]
    assert attested["acceptance"] == acceptance
    assert attested["guardrails"] == second["evaluation"]["guardrails"]


def test_an_error_rate_improves_downwards(training: Training) -> None:
    made = new_benchmark(training.client, metric="error_rate")
    first = training.baseline(error_rate=0.15)
    second = good(
        register_improved(
            training,
            first,
            run_id=training.run(error_rate=0.12),
            benchmark_id=made["benchmark_id"],
            evaluation=counts(150, 120),
        ),
        201,
    )
    acceptance = second["evaluation"]["acceptance"]
    assert (acceptance["accepted"], acceptance["effect_size_bps"]) == (True, 300)


def test_a_refused_registration_leaves_nothing(
    training: Training, benchmark: dict[str, Any], baseline: dict[str, Any]
) -> None:
    run_id = training.run(accuracy=0.88)
    wrong = register_improved(
        training,
        baseline,
        run_id=run_id,
        benchmark_id=benchmark["benchmark_id"],
        evaluation=counts(850, 881),
    )
    refused(wrong, 422, "validation_failed")
    assert training.models(run_id=run_id) == []


def test_a_guessed_direction_must_be_that_of_the_benchmark(training: Training) -> None:
    made = new_benchmark(training.client, metric="churn", higher_is_better=False)
    first = training.baseline(churn=0.15)
    body = {
        "run_id": training.run(churn=0.12),
        "benchmark_id": made["benchmark_id"],
        "evaluation": counts(150, 120),
    }
    refusal = refused(register_improved(training, first, **body), 422, "validation_failed")
    assert "the other way (guessed)" in refusal["message"]
    good(register_improved(training, first, **body, higher_is_better={"churn": False}), 201)


def test_an_evaluation_on_a_private_benchmark_stays_private(
    training: Training, stranger: Training, baseline: dict[str, Any], improved: dict[str, Any]
) -> None:
    hidden = {
        "benchmark_id": new_benchmark(training.client, private=True)["benchmark_id"],
        "evaluation": counts(850, 880),
    }
    refusal = refused(register_improved(training, baseline, **hidden), 422, "validation_failed")
    assert "private" in refusal["message"]
    model_id = improved["model_id"]
    public = training.attest(model_id=model_id, **hidden, private=False)
    assert "private is false" in refused(public, 422, "validation_failed")["message"]
    made = good(training.attest(model_id=model_id, **hidden), 201)
    refused(stranger.client.get(f"/api/attestations/{made['hash']}"), 404, "not_found")


def test_committed_predictions_are_of_both_models_or_of_none(training: Training) -> None:
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    first = training.baseline(accuracy=0.85)
    second = good(register_improved(training, first), 201)
    request = {
        "model_id": second["model_id"],
        "benchmark_id": benchmark_id,
        "evaluation": counts(850, 880),
    }
    before = good(commit(training.client, benchmark_id, first["model_id"]), 201)
    missing = refused(training.attest(**request), 409, "predictions_missing")
    assert second["model_id"] in missing["message"]
    after = good(commit(training.client, benchmark_id, second["model_id"]), 201)
    made = good(training.attest(**request), 201)
    assert made["data"]["evaluation"]["predictions"] == {
        which: {name: one[name] for name in ("commitment", "log_index", "record_sha256")}
        for which, one in (("baseline", before), ("improved", after))
    }
    assert before["log_index"] < after["log_index"] < made["log"]["index"]


def test_claimed_counts_must_be_those_of_the_claimed_metrics(
    training: Training, benchmark: dict[str, Any]
) -> None:
    request: dict[str, Any] = {
        "kind": "claimed",
        "metrics": {"baseline": {"accuracy": 0.85}, "improved": {"accuracy": 0.88}},
        "benchmark_id": benchmark["benchmark_id"],
    }
    made = good(training.attest(**request, evaluation=counts(850, 880)), 201)
    assert made["data"]["kind"] == "claimed"
    assert made["data"]["evaluation"]["acceptance"]["accepted"] is True
    refused(training.attest(**request, evaluation=counts(850, 890)), 422, "validation_failed")


def test_a_registered_evaluation_is_not_attested_of_other_numbers(
    training: Training, benchmark: dict[str, Any], baseline: dict[str, Any]
) -> None:
    second = good(
        register_improved(
            training,
            baseline,
            benchmark_id=benchmark["benchmark_id"],
            evaluation=counts(850, 880),
        ),
        201,
    )
    training.mlflow(
        "runs/log-metric", run_id=second["run_id"], key="accuracy", value=0.9, timestamp=2**40
    )
    made = good(training.attest(model_id=second["model_id"], refresh=True), 201)
    assert made["data"]["metrics"]["accuracy"] == 0.9
    assert made["data"]["evaluation"] is None


def test_other_counts_than_the_registered_ones_are_refused(
    training: Training, baseline: dict[str, Any]
) -> None:
    """The same share of more rows would be more certain."""
    benchmark_id = new_benchmark(training.client, min_examples=1)["benchmark_id"]
    stated = {"benchmark_id": benchmark_id, "evaluation": counts(85, 88, 100)}
    model = good(register_improved(training, baseline, **stated), 201)
    by_id = {"model_id": model["model_id"], "benchmark_id": benchmark_id}
    response = training.attest(**by_id, evaluation=counts(850, 880))
    assert "registered with other counts" in refused(response, 422, "validation_failed")["message"]
    made = good(training.attest(**by_id, evaluation=counts(85, 88, 100)), 201)
    assert made["data"]["evaluation"]["acceptance"]["reason"] == "not_statistically_significant"
    # On another benchmark the registration says nothing.
    other = {"benchmark_id": new_benchmark(training.client)["benchmark_id"]}
    good(training.attest(model_id=model["model_id"], **other, evaluation=counts(850, 880)), 201)
