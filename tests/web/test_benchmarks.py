"""The pages of benchmarks, and what other pages show of an evaluation."""

from typing import Any

import httpx
import pytest

from tests.support.benchmarks import commit, counts, new_benchmark, register_improved, scored
from tests.support.browser import Browser, problems_of_pages
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.training import Training
from tests.web.page_text import text, words

HOSTILE = "<script>alert(1)</script>"
GUARDRAILS = [{"metric": "latency_ms", "max_worsening": 5}]


@pytest.fixture(scope="module")
def benchmark(acme: Training) -> dict[str, Any]:
    assert "hokusai benchmark create" in text(acme.client, "/benchmarks")
    return new_benchmark(acme.client, name="churn <2026>", guardrails=GUARDRAILS)


@pytest.fixture(scope="module")
def evaluated(acme: Training, benchmark: dict[str, Any]) -> dict[str, Any]:
    """An improved model with an evaluation and committed predictions."""
    baseline = acme.baseline(accuracy=0.85, latency_ms=12)
    model: dict[str, Any] = good(
        register_improved(
            acme,
            baseline,
            run_id=acme.run(accuracy=0.88, latency_ms=13.5),
            benchmark_id=benchmark["benchmark_id"],
            evaluation=counts(850, 880, discordant={"baseline_only": 20, "improved_only": 50}),
        ),
        201,
    )
    for one in (baseline, model):
        good(commit(acme.client, benchmark["benchmark_id"], one["model_id"]), 201)
    return model


def test_the_list_shows_and_finds_benchmarks(acme: Training, benchmark: dict[str, Any]) -> None:
    listed = text(acme.client, "/benchmarks?name=churn+%3C2026%3E")
    assert f'href="/benchmarks/{benchmark["benchmark_id"]}"' in listed
    assert "churn <2026>" in words(listed)
    none = words(text(acme.client, "/benchmarks?metric=recall"))
    assert "No benchmark meets these conditions" in none


def test_a_benchmark_is_shown_with_its_commitments(
    acme: Training, benchmark: dict[str, Any], evaluated: dict[str, Any]
) -> None:
    page = text(acme.client, f"/benchmarks/{benchmark['benchmark_id']}")
    assert benchmark["record_sha256"] in page
    assert f'href="/log?to={benchmark["log_index"]}"' in page
    assert "latency_ms: at most 5 higher" in words(page)
    for model_id in (evaluated["model_id"], evaluated["baseline_model_id"]):
        assert f'href="/models/{model_id}"' in page
    first = text(acme.client, f"/benchmarks/{benchmark['benchmark_id']}?limit=1")
    assert 'rel="next"' in first


def test_the_model_and_its_attestation_say_whether_it_is_accepted(
    acme: Training, benchmark: dict[str, Any], evaluated: dict[str, Any]
) -> None:
    digest = good(acme.attest(model_id=evaluated["model_id"]), 201)["hash"]
    for path in (f"/models/{evaluated['model_id']}", f"/attestations/{digest}"):
        page = text(acme.client, path)
        assert f'href="/benchmarks/{benchmark["benchmark_id"]}"' in page
        said = words(page)
        assert "Accepted +3 pp, 95 % interval +0.01 to +5.99 p 0.025 McNemar p 0.00044" in said
        assert "Guardrail latency_ms: 12 before, 13.5 now, held" in said
        assert "The caller stated these counts" in said
        assert f"The benchmark of {acme.tenant} has 1,000 rows" in said


def test_one_that_is_not_accepted_says_why(acme: Training) -> None:
    benchmark_id = new_benchmark(acme.client)["benchmark_id"]
    model = good(
        register_improved(
            acme,
            acme.baseline(accuracy=0.85),
            run_id=acme.run(accuracy=0.86),
            benchmark_id=benchmark_id,
            evaluation=counts(850, 860),
        ),
        201,
    )
    said = words(text(acme.client, f"/models/{model['model_id']}"))
    assert "Not accepted +1 pp" in said
    assert "Chance may explain it" in said


@pytest.fixture(scope="module")
def graded(acme: Training) -> dict[str, Any]:
    """A model that is evaluated by grades of its rows."""
    benchmark_id = new_benchmark(
        acme.client, metric="reward", metric_family="rank_or_ordinal", rows=8
    )["benchmark_id"]
    model: dict[str, Any] = good(
        register_improved(
            acme,
            acme.baseline(reward=2.5),
            run_id=acme.run(reward=4.5),
            benchmark_id=benchmark_id,
            evaluation=scored([1.0, 2.0, 3.0, 4.0] * 2, [4.0, 5.0] * 4),
        ),
        201,
    )
    return model


def test_scores_are_shown_with_their_test(acme: Training, graded: dict[str, Any]) -> None:
    digest = good(acme.attest(model_id=graded["model_id"]), 201)["hash"]
    for path in (f"/models/{graded['model_id']}", f"/attestations/{digest}"):
        page = text(acme.client, path)
        said = words(page)
        assert "Accepted +2 p 0.0014 sign test p 0.0078" in said
        assert "of the family rank_or_ordinal, judged by the test of Mann and Whitney" in said
        assert "has the better score with a probability of 93.75 %" in said
        assert "The caller stated these scores, and their mean agrees with the metric" in said
        assert graded["evaluation"]["improved"]["scores_sha256"] in page
    shown = text(acme.client, f"/benchmarks/{graded['evaluation']['benchmark']['benchmark_id']}")
    assert "the test of Mann and Whitney (rank_or_ordinal)" in words(shown)


def test_a_released_one_and_a_hostile_one(acme: Training, other: httpx.Client) -> None:
    released = new_benchmark(
        acme.client, name=HOSTILE, label_holder=HOSTILE, split=HOSTILE, dataset_version=HOSTILE
    )["benchmark_id"]
    good(acme.client.post(f"/api/benchmarks/{released}/release-labels"))
    for path in ("/benchmarks", f"/benchmarks/{released}"):
        assert HOSTILE not in text(other, path)
    assert "The labels were released" in words(text(other, f"/benchmarks/{released}"))
    log = text(other, "/log")
    assert f'href="/benchmarks/{released}"' in log


def test_a_private_one_is_not_shown_to_others(acme: Training, other: httpx.Client) -> None:
    hidden = new_benchmark(acme.client, name="a secret", private=True)["benchmark_id"]
    assert "a secret" in text(acme.client, f"/benchmarks/{hidden}")
    assert "a secret" not in text(other, f"/benchmarks/{hidden}", 404)
    assert "a secret" not in text(other, "/benchmarks")


def test_the_pages_read_well_in_both_themes_narrow_and_wide(
    browser: Browser,
    quiet: RunningGateway,
    acme: Training,
    benchmark: dict[str, Any],
    evaluated: dict[str, Any],
    graded: dict[str, Any],
) -> None:
    pages = {
        "benchmarks": "/benchmarks",
        "benchmarks-none": "/benchmarks?name=none",
        "benchmark": f"/benchmarks/{benchmark['benchmark_id']}",
        "model-evaluated": f"/models/{evaluated['model_id']}",
        "model-graded": f"/models/{graded['model_id']}",
    }
    with browser.visitor(quiet.url, {"X-API-Key": quiet.key(acme.tenant)}) as visitor:
        assert problems_of_pages(visitor, pages) == []
