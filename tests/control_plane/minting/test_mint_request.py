"""Mint requests over HTTP: which attestations entitle to one, and what it contains."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
import pytest
from eth_utils.crypto import keccak

from app.control_plane.minting.eligibility import require_mintable
from app.core.errors import NotMintableError
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import RunningGateway
from tests.support.minting import ROWS, TokenMarket, attest, mint, signer_of
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training


@pytest.fixture(scope="module")
def attestation(market: TokenMarket) -> dict[str, Any]:
    """A witnessed improvement of three percentage points, by the holder of the token."""
    return market.attested(market.holder)


def test_it_contains_what_the_attestation_states(
    market: TokenMarket, attestation: dict[str, Any]
) -> None:
    found = good(mint(market.holder, attestation))
    typed = found["typed_data"]
    assert typed["domain"]["name"] == "HokusaiDeltaVerifier"
    assert (typed["domain"]["version"], typed["primaryType"]) == ("1", "MintRequest")
    assert typed["message"]["modelId"] == found["chain_model_id"] == market.number
    payload = typed["message"]["payload"]
    assert (payload["baselineScoreBps"], payload["candidateScoreBps"]) == (8500, 8800)
    assert payload["pipelineRunId"] == attestation["data"]["run_id"]
    data = attestation["data"]
    assert payload["totalSamples"] == data["evaluation"]["improved"]["sample_size"] == ROWS
    assert payload["baselineCommitment"] == f"0x{data['baseline']['files']['sha256_merkle_v1']}"
    assert payload["candidateCommitment"] == f"0x{data['files']['sha256_merkle_v1']}"
    anchors = payload["anchors"]
    assert anchors["attestationHash"] == f"0x{attestation['hash']}"
    assert anchors["datasetHash"] == "0x" + "cd" * 32
    benchmark_id = data["evaluation"]["benchmark"]["benchmark_id"]
    assert anchors["benchmarkSpecHash"] == f"0x{keccak(text=benchmark_id).hex()}"
    key = sha256(f"{market.number}:{attestation['hash']}".encode()).hexdigest()
    assert anchors["idempotencyKey"] == f"0x{key}"
    assert anchors["metricFamily"] == "proportion"
    assert anchors["metricName"] == "accuracy"
    (contributor,) = typed["message"]["contributors"]
    assert contributor["walletAddress"].lower() == CONTRIBUTOR.lower()
    assert contributor["weight"] == 10_000
    assert found["delta_one"] == 3.0
    assert (found["token_id"], found["model_id"]) == (
        market.token_id,
        attestation["data"]["model_id"],
    )


def test_it_is_signed_by_the_attestor(market: TokenMarket, attestation: dict[str, Any]) -> None:
    found = good(mint(market.holder, attestation))
    (signature,) = found["signatures"]
    signer = signer_of(found["typed_data"], signature)
    assert [signer] == found["signers"] == [attestation["signature"]["signer"]]
    assert (found["required"], found["complete"]) == (1, True)
    assert [warning["code"] for warning in found["warnings"]] == ["no_verifying_contract"]


def test_it_is_requested_with_post(market: TokenMarket, attestation: dict[str, Any]) -> None:
    path = f"/api/attestations/{attestation['hash']}/mint-request"
    response = market.holder.client.get(path)
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_the_candidate_of_one_request_is_the_baseline_of_the_next(market: TokenMarket) -> None:
    first = market.improve(market.holder, 0.87)
    second = market.improve(market.holder, 0.9, baseline_model_id=first["model_id"])
    links = []
    for model in (first, second):
        document = attest(market.holder, model["model_id"])
        payload = good(mint(market.holder, document))["typed_data"]["message"]["payload"]
        links.append((payload["baselineCommitment"], payload["candidateCommitment"]))
    assert links[0][1] == links[1][0]
    assert links[0][0] != links[0][1]


def test_a_metric_that_improves_downwards_is_turned_around(gateway: RunningGateway) -> None:
    """As docs/minting.md has it: the contract rewards only an increase."""
    with TokenMarket(gateway, "error_rate") as market:
        root = market.tokenize(market.holder, 0.2)
        document = market.attested(market.holder, 0.12345, baseline_model_id=root["model_id"])
        found = good(mint(market.holder, document))
        path = f"/api/mint-requests/{found['id']}/message"
        evaluation = good(market.holder.client.get(path))["evaluation"]
    delta = document["data"]["delta"]["error_rate"]
    assert (delta["baseline"], delta["improved"]) == (0.2, 0.12345)
    assert document["data"]["delta_one"] == pytest.approx(7.655)
    payload = found["typed_data"]["message"]["payload"]
    assert (payload["baselineScoreBps"], payload["candidateScoreBps"]) == (8000, 8766)
    assert payload["anchors"]["metricName"] == evaluation["metric_name"] == "error_rate"
    assert (evaluation["baseline_score_bps"], evaluation["new_score_bps"]) == (8000, 8766)
    # The bounds are of the improvement, as the scores are.
    assert 0 < evaluation["ci_low_bps"] <= evaluation["effect_size_bps"] == 766
    assert evaluation["ci_high_bps"] >= 766


def test_the_weights_of_one_wallet_are_added_up(market: TokenMarket) -> None:
    document = market.attested(
        market.holder,
        data_contribution=[
            {"contributor": CONTRIBUTOR, "weight_bps": 4000, "data_hash": "a"},
            {"contributor": CONTRIBUTOR, "weight_bps": 3500, "data_hash": "b"},
            {"contributor": "0x" + "7c" * 20, "weight_bps": 2500},
        ],
    )
    contributors = good(mint(market.holder, document))["typed_data"]["message"]["contributors"]
    assert [item["weight"] for item in contributors] == [7500, 2500]


@pytest.mark.parametrize(
    ("before", "after", "points"), [(0.85, 0.8599, "0.99"), (0.85, 0.85, "0"), (0.9, 0.8, "-10")]
)
def test_an_improvement_of_less_than_one_point_is_refused(
    market: TokenMarket, before: float, after: float, points: str
) -> None:
    document = market.holder.improvement(before=before, after=after)
    problem = refused(mint(market.holder, document), 409, "improvement_too_small")
    assert f"by {points} percentage points" in problem["message"]
    assert problem["delta_one"] == float(points)


def test_an_improvement_of_exactly_one_point_is_enough(market: TokenMarket) -> None:
    """0.29 - 0.28 is a little less than 0.01 in binary."""
    assert 0.29 - 0.28 < 0.01
    root = market.tokenize(market.holder, 0.28)
    document = market.attested(market.holder, 0.29, baseline_model_id=root["model_id"])
    assert good(mint(market.holder, document))["delta_one"] == 1.0


def test_an_attestation_that_cannot_be_minted_says_why(market: TokenMarket) -> None:
    trainer = market.holder
    claimed = {"baseline": {"accuracy": 0.5}, "improved": {"accuracy": 0.9}}
    documents = {
        "claimed": good(trainer.attest(kind="claimed", metrics=claimed), 201),
        "baseline": good(trainer.attest(improved_run_id=trainer.run(accuracy=0.9)), 201),
        "proportion": trainer.improvement(before=12.0, after=10.0, metric="rmse"),
        "contributors": trainer.improvement(data_contribution=None),
        "registered improvement": trainer.improvement(),
    }
    for word, document in documents.items():
        problem = refused(mint(market.holder, document), 409, "not_mintable")
        assert word in problem["message"]


def test_a_revoked_attestation_cannot_be_minted(market: TokenMarket) -> None:
    document = market.attested(market.holder)
    path = f"/api/attestations/{document['hash']}/revoke"
    good(market.holder.client.post(path, json={"reason": "wrong data"}))
    assert "revoked" in refused(mint(market.holder, document), 409, "not_mintable")["message"]


def test_only_an_improvement_on_a_tokenized_model_can_be_minted(market: TokenMarket) -> None:
    """A name decides nothing: this model has the token's in MLflow."""
    baseline = market.holder.registered(
        "baseline",
        run_id=market.holder.run(accuracy=0.8),
        model_type="classification",
        name=market.token_id,
    )
    document = market.attested(
        market.holder, baseline_model_id=baseline["model_id"], name=market.token_id
    )
    problem = refused(mint(market.holder, document), 409, "not_mintable")
    assert "no token id" in problem["message"]


def test_another_baseline_than_the_registered_one_does_not_mint(market: TokenMarket) -> None:
    """Else an improvement on an improvement could be minted a second time, from further back."""
    first = market.improve(market.holder, 0.9)
    second = market.improve(market.holder, 0.95, baseline_model_id=first["model_id"])
    trainer = market.holder
    from_further_back = good(
        trainer.attest(improved_model_id=second["model_id"], baseline_model_id=market.model_id),
        201,
    )
    problem = refused(mint(market.holder, from_further_back), 409, "not_mintable")
    assert first["model_id"] in problem["message"]


@pytest.mark.parametrize("which", ["baseline", "improved"])
def test_another_value_than_the_registered_one_does_not_mint(
    market: TokenMarket, which: str
) -> None:
    """Else the owner of a run could log what is to be minted, after the registration."""
    holder = market.holder
    baseline = market.improve(holder, 0.86)
    improved = market.improve(holder, 0.9, baseline_model_id=baseline["model_id"])
    changed = {"baseline": baseline, "improved": improved}[which]
    value = {"baseline": 0.1, "improved": 0.99}[which]
    holder.log(changed["run_id"], "accuracy", value)
    document = attest(holder, improved["model_id"], refresh=True)
    assert document["delta_one"] > 4
    problem = refused(mint(holder, document), 409, "not_mintable")
    assert "registered" in problem["message"]
    as_registered = attest(holder, improved["model_id"], refresh=False)
    assert good(mint(holder, as_registered))["delta_one"] == 4.0


def test_the_metric_that_counts_is_the_tokens(market: TokenMarket) -> None:
    market_run = market.holder.run(accuracy=0.5, f1=0.1)
    root = market.tokenize(market.holder, 0.5, model_uri=f"runs:/{market_run}/model")
    improved = market.improve(
        market.holder,
        run_id=market.holder.run(accuracy=0.6, f1=0.9),
        baseline_model_id=root["model_id"],
    )
    other = attest(market.holder, improved["model_id"], primary_metric="f1")
    problem = refused(mint(market.holder, other), 409, "not_mintable")
    assert "accuracy" in problem["message"]
    right = attest(market.holder, improved["model_id"], primary_metric="accuracy")
    message = good(mint(market.holder, right))["typed_data"]["message"]
    assert message["payload"]["anchors"]["metricName"] == "accuracy"


def test_a_metric_whose_direction_was_only_guessed_mints_nothing(gateway: RunningGateway) -> None:
    with TokenMarket(gateway, "zorbness") as market:
        document = market.attested(market.holder)
        assert document["data"]["delta"]["zorbness"]["direction"] == "guessed"
        problem = refused(mint(market.holder, document), 409, "not_mintable")
        assert "higher_is_better" in problem["message"]
        said = {"higher_is_better": {"zorbness": True}}
        root = market.tokenize(market.holder, 0.85, **said)
        document = market.attested(market.holder, baseline_model_id=root["model_id"])
        assert good(mint(market.holder, document))["delta_one"] == 3.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update models set withdrawn_at = now() where model_id = %s", "was withdrawn"),
        ("update models set gone_at = now() where model_id = %s", "no longer has"),
    ],
)
def test_a_withdrawn_or_deleted_model_mints_nothing(
    gateway: RunningGateway, market: TokenMarket, change: str, says: str
) -> None:
    document = market.attested(market.holder)
    model_id = document["data"]["model_id"]
    good(mint(market.holder, document))
    sql(gateway, change, model_id)
    problem = refused(mint(market.holder, document), 409, "not_mintable")
    assert says in problem["message"]


@pytest.mark.parametrize("stated", [{"chain_model_id": "-1"}, {"chain_model_id": str(2**256)}])
def test_what_is_no_model_number_is_refused(
    market: TokenMarket, attestation: dict[str, Any], stated: dict[str, Any]
) -> None:
    refused(mint(market.holder, attestation, **stated), 422, "validation_failed")


def test_the_scope_attest_is_needed(
    gateway: RunningGateway, market: TokenMarket, attestation: dict[str, Any]
) -> None:
    key = gateway.key(market.holder.tenant, (Scope.READ, Scope.WRITE, Scope.REGISTER))
    with gateway.client(key) as client:
        path = f"/api/attestations/{attestation['hash']}/mint-request"
        refused(client.post(path), 403, "scope_missing")


def test_what_the_evaluation_cost_is_what_the_caller_states_within_the_budget(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, market: TokenMarket
) -> None:
    budget: dict[str, Any] = {"evaluation_budget": 5_000_000}
    database = new_database()
    with (
        RunningGateway(database, mlflow_server.url, **budget) as gateway,
        TokenMarket(gateway) as rich,
    ):
        document = rich.attested(rich.holder)
        above = mint(rich.holder, document, actual_cost_usd_micro=5_000_001)
        assert "5000000" in refused(above, 422, "validation_failed")["message"]
        found = good(mint(rich.holder, document, actual_cost_usd_micro=2_340_000))
        payload = found["typed_data"]["message"]["payload"]
        assert (payload["maxCostUsdMicro"], payload["actualCostUsdMicro"]) == (5_000_000, 2_340_000)
        # It need not be stated again, and cannot be another while the message is in force.
        assert good(mint(rich.holder, document)) == found
        other = mint(rich.holder, document, actual_cost_usd_micro=1)
        refused(other, 409, "not_mintable")
        # A contract mints nothing above the budget, and takes the idempotency key all the same.
        sql(gateway, "update mint_requests set deadline = now() - interval '1 hour'")
        path = f"/api/attestations/{document['hash']}/mint-request"
        lower: dict[str, Any] = {"evaluation_budget": 2_000_000}
        with (
            RunningGateway(database, mlflow_server.url, **lower) as poorer,
            poorer.client(poorer.key(rich.holder.tenant)) as client,
        ):
            refused(client.post(path), 422, "validation_failed")
            later = good(client.post(path, json={"actual_cost_usd_micro": 1_900_000}))
        assert later["typed_data"]["message"]["payload"]["actualCostUsdMicro"] == 1_900_000
    # Without a budget nothing is known of costs.
    document = market.attested(market.holder)
    refused(mint(market.holder, document, actual_cost_usd_micro=1), 422, "validation_failed")
    payload = good(mint(market.holder, document))["typed_data"]["message"]["payload"]
    assert (payload["maxCostUsdMicro"], payload["actualCostUsdMicro"]) == (0, 0)


def test_nobody_else_can_request_it(
    market: TokenMarket, improver: Training, admin: httpx.Client, attestation: dict[str, Any]
) -> None:
    path = f"/api/attestations/{attestation['hash']}/mint-request"
    for client in (improver.client, admin):
        refused(client.post(path), 403, "permission_denied")


def test_models_without_a_run_are_not_mintable() -> None:
    """Nothing but a run identifies a candidate, however often it is registered."""
    data = {"kind": "witnessed", "primary_metric": "accuracy", "run_id": "r"}
    for one in (
        data | {"run_id": None, "baseline": {"run_id": "b"}},
        data | {"baseline": {"run_id": None}},
    ):
        with pytest.raises(NotMintableError, match="not made from a run"):
            require_mintable(one)


def test_getting_back_to_where_the_lineage_was_is_no_improvement(
    market: TokenMarket, improver: Training
) -> None:
    worse = market.improve(market.holder, 0.10)
    back = market.improve(market.holder, 0.84, baseline_model_id=worse["model_id"])
    problem = refused(
        mint(market.holder, attest(market.holder, back["model_id"])), 409, "not_mintable"
    )
    assert market.model_id in problem["message"]
    better = market.improve(market.holder, 0.90)
    best = market.improve(market.holder, 0.93, baseline_model_id=better["model_id"])
    assert good(mint(market.holder, attest(market.holder, best["model_id"])))["delta_one"] == 3.0


def test_only_the_tokens_holder_says_which_way_its_metric_improves(
    gateway: RunningGateway, improver: Training
) -> None:
    with TokenMarket(gateway, "quality") as market:
        # The tokenized model itself lacks the metric, so its registration does not tell.
        market.model_id = market.tokenize(market.holder, 0.85, metrics={"accuracy": 0.85})[
            "model_id"
        ]
        good(market.approve(contributor=CONTRIBUTOR), 201)
        lower: dict[str, Any] = {"higher_is_better": {"quality": False}}
        for tenant, status in ((improver, 409), (market.holder, 200)):
            first = market.improve(tenant, 0.9, **lower)
            second = market.improve(tenant, 0.5, baseline_model_id=first["model_id"])
            document = attest(tenant, second["model_id"], primary_metric="quality")
            assert document["delta_one"] == 40.0
            response = mint(tenant, document)
            assert response.status_code == status, response.text
            assert (
                status == 200
                or market.token_id in refused(response, 409, "not_mintable")["message"]
            )
