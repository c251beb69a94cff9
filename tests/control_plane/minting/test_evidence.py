"""What a mint rests on besides metrics: files that were read, and an evaluation on a benchmark."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.benchmarks import new_benchmark, scored
from tests.support.gateway import RunningGateway
from tests.support.minting import ROWS, TokenMarket, attest, counts, mint, witness
from tests.support.model_files import run_with, wait_for
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training


def missing(market: TokenMarket, attestation: dict[str, Any]) -> dict[str, str]:
    """What the refusal of a mint says is missing, and how it is obtained."""
    problem = refused(mint(market.holder, attestation), 409, "mint_evidence_missing")
    return {one["member"]: one["detail"] for one in problem["missing"]}


def forget_files(gateway: RunningGateway, model_id: str) -> None:
    sql(gateway, "update models set files = 'pending' where model_id = %s", model_id)


def test_everything_that_is_missing_is_named_with_the_way_to_it(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    root = market.tokenize(market.holder, 0.85)
    improved = market.improve(
        market.holder, baseline_model_id=root["model_id"], benchmark_id=None, evaluation=None
    )
    for model in (root, improved):
        forget_files(gateway, model["model_id"])
    found = missing(market, attest(market.holder, improved["model_id"]))
    assert list(found) == ["baseline.files", "files", "evaluation"]
    assert f"/api/models/{root['model_id']}/files" in found["baseline.files"]
    assert f"/api/models/{improved['model_id']}/files" in found["files"]
    assert "/api/benchmarks" in found["evaluation"]

    for model in (root, improved):
        witness(gateway, model)
    body: dict[str, Any] = {
        "benchmark_id": market.benchmark(),
        "evaluation": {"baseline": counts(0.85), "improved": counts(0.88)},
    }
    assert good(mint(market.holder, attest(market.holder, improved["model_id"], **body)))


def test_files_that_are_only_claimed_mint_nothing(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    improved = market.improve(market.holder)
    statement = "update models set files = 'claimed' where model_id = %s"
    sql(gateway, statement, improved["model_id"])
    found = missing(market, attest(market.holder, improved["model_id"]))
    assert "claimed" in found["files"]


def test_the_weights_of_the_baseline_are_no_improvement(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    root = market.tokenize(market.holder, 0.85)
    improved = market.improve(market.holder, baseline_model_id=root["model_id"])
    witness(gateway, improved, content=f"weights of {root['run_id']}")
    problem = refused(
        mint(market.holder, attest(market.holder, improved["model_id"])), 409, "not_mintable"
    )
    assert "the same model" in problem["message"]


def test_the_weights_of_an_earlier_model_are_no_improvement(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    root = market.tokenize(market.holder, 0.85)
    first = market.improve(market.holder, 0.88, baseline_model_id=root["model_id"])
    second = market.improve(market.holder, 0.91, baseline_model_id=first["model_id"])
    document = attest(market.holder, second["model_id"])
    witness(gateway, second, content=f"weights of {root['run_id']}")
    again = attest(market.holder, second["model_id"])
    problem = refused(mint(market.holder, again), 409, "not_mintable")
    assert f"the weights of {root['model_id']}" in problem["message"]
    good(mint(market.holder, document))


@pytest.mark.parametrize(
    ("sample_size", "improved", "reason"),
    [
        # Fewer rows than the benchmark asks for.
        (1000, 880, "insufficient_samples"),
        # One and a half points, of which the noise of 1,000 rows leaves nothing.
        (1000, 865, "not_statistically_significant"),
    ],
)
def test_an_improvement_that_is_not_accepted_mints_nothing(
    market: TokenMarket, sample_size: int, improved: int, reason: str
) -> None:
    small = reason == "not_statistically_significant"
    body: dict[str, Any] = {
        "benchmark_id": market.benchmark(min_examples=1000 if small else None),
        "evaluation": {
            "baseline": {"successes": 850, "sample_size": sample_size},
            "improved": {"successes": improved, "sample_size": sample_size},
        },
    }
    document = market.attested(market.holder, improved / sample_size, **body)
    assert document["delta_one"] >= 1
    problem = refused(mint(market.holder, document), 409, "improvement_not_accepted")
    assert problem["acceptance"]["reason"] == reason
    assert reason in problem["message"]


def test_only_a_benchmark_of_the_tokens_holder_mints(
    market: TokenMarket, improver: Training, gateway: RunningGateway
) -> None:
    """An improver must not choose the test set on which its model is better."""
    giver = "0x" + "7d" * 20
    with TokenMarket(gateway) as other:
        own = other.benchmark()
    document = market.attested(improver, benchmark_id=own, data_contribution={"contributor": giver})
    good(market.approve(contributor=giver), 201)
    problem = refused(mint(improver, document), 409, "not_mintable")
    assert own in problem["message"]
    # The holder approves the improvement with all that its registration says,
    good(market.approve(model_id=document["data"]["model_id"]), 201)
    good(mint(improver, document))
    # and not what is said at the attestation.
    model_id = market.improve(improver, 0.9)["model_id"]
    good(market.approve(model_id=model_id), 201)
    later: dict[str, Any] = {
        "benchmark_id": own,
        "evaluation": {"baseline": counts(0.85), "improved": counts(0.9)},
    }
    problem = refused(mint(improver, attest(improver, model_id, **later)), 409, "not_mintable")
    assert own in problem["message"]
    good(mint(improver, attest(improver, model_id)))


def test_the_sample_size_is_that_of_the_candidate(market: TokenMarket) -> None:
    half = ROWS // 2
    body: dict[str, Any] = {
        "benchmark_id": market.benchmark(min_examples=half),
        "evaluation": {
            "baseline": counts(0.85),
            "improved": {"successes": half * 88 // 100, "sample_size": half},
        },
    }
    found = good(mint(market.holder, market.attested(market.holder, **body)))
    assert found["typed_data"]["message"]["payload"]["totalSamples"] == half


def trained(holder: Training, accuracy: float, weights: bytes) -> str:
    """The id of a run with two files of weights, and what MLflow writes beside them."""
    run_id = run_with(
        holder, {"a.bin": weights, "b/c.bin": b"shared", "MLmodel": weights, "metadata/m": b"m"}
    )
    later = {"key": "accuracy", "value": accuracy, "timestamp": 2, "step": 1}
    holder.mlflow("runs/log-batch", run_id=run_id, metrics=[later])
    return run_id


def test_the_commitments_are_those_of_the_files_that_the_gateway_reads(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    """Nothing is recorded by the test here: the gateway reads both models in MLflow."""
    readers: dict[str, Any] = {"model_files_readers": 1}
    with (
        RunningGateway(new_database(), mlflow_server.url, **readers) as gateway,
        TokenMarket(gateway, witnessed=False) as market,
    ):
        holder = market.holder
        run = trained(holder, 0.85, b"before")
        root = market.tokenize(holder, 0.85, model_uri=f"runs:/{run}/model")
        improved = market.improve(
            holder, run_id=trained(holder, 0.88, b"after"), baseline_model_id=root["model_id"]
        )
        for model in (root, improved):
            wait_for(holder.client, model, "witnessed")
        found = good(mint(holder, attest(holder, improved["model_id"])))
    payload = found["typed_data"]["message"]["payload"]
    shared = sha256(b"shared").digest()
    for name, weights in (("baseline", b"before"), ("candidate", b"after")):
        expected = sha256(sha256(weights).digest() + shared).hexdigest()
        assert payload[f"{name}Commitment"] == f"0x{expected}"


def test_an_improvement_of_a_mean_of_scores_is_minted(gateway: RunningGateway) -> None:
    """If its test has a confidence interval, and the values are from 0 to 1."""
    with TokenMarket(gateway, "reward") as market:
        before, after = [0.8, 0.85, 0.9] * 100, [0.86, 0.89, 0.95] * 100
        minted = scored_improvement(market, "continuous", before, after)
        found = good(mint(market.holder, minted))
        payload = found["typed_data"]["message"]["payload"]
        assert (payload["baselineScoreBps"], payload["candidateScoreBps"]) == (8500, 9000)
        assert payload["totalSamples"] == len(after)
        assert payload["anchors"]["metricFamily"] == "continuous"

        ranked = scored_improvement(market, "rank_or_ordinal", before, [0.93] * 300)
        problem = refused(mint(market.holder, ranked), 409, "not_mintable")
        assert "no confidence interval" in problem["message"]

        beyond = scored_improvement(market, "continuous", before, [1.2, 1.3, 1.4] * 100)
        assert beyond["data"]["evaluation"]["acceptance"]["accepted"] is True
        problem = refused(mint(market.holder, beyond), 409, "not_mintable")
        assert "not a proportion between 0 and 1" in problem["message"]


def scored_improvement(
    market: TokenMarket, family: str, before: list[float], after: list[float]
) -> dict[str, Any]:
    """The attestation of a new improvement, evaluated by scores on a benchmark of the holder."""
    benchmark = new_benchmark(
        market.holder.client,
        metric=market.metric,
        metric_family=family,
        higher_is_better=True,
        rows=len(after),
    )
    found: dict[str, Any] = market.attested(
        market.holder,
        sum(after) / len(after),
        benchmark_id=benchmark["benchmark_id"],
        evaluation=scored(before, after),
    )
    return found
