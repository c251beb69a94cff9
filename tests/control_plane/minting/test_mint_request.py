"""Mint requests over HTTP: which attestations entitle to one, and what it contains."""

import itertools
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.support.responses import good, refused
from tests.support.trainer import CONTRIBUTOR, Trainer


def mint(trainer: Trainer, attestation: dict[str, Any], **query: Any) -> Any:
    return trainer.client.get(f"/api/attestations/{attestation['hash']}/mint-request", params=query)


def test_it_contains_what_the_attestation_states(
    trainer: Trainer, attestation: dict[str, Any]
) -> None:
    found = good(mint(trainer, attestation))
    typed = found["typed_data"]
    assert typed["domain"]["name"] == "HokusaiDeltaVerifier"
    assert (typed["domain"]["version"], typed["primaryType"]) == ("1", "MintRequest")
    payload = typed["message"]["payload"]
    assert (payload["baselineScoreBps"], payload["candidateScoreBps"]) == (8500, 8800)
    assert payload["pipelineRunId"] == attestation["data"]["run_id"]
    assert payload["totalSamples"] == 5000
    anchors = payload["anchors"]
    assert anchors["attestationHash"] == f"0x{attestation['hash']}"
    assert anchors["datasetHash"] == "0x" + "ab" * 32
    assert anchors["metricName"] == "accuracy"
    (contributor,) = typed["message"]["contributors"]
    assert contributor["walletAddress"].lower() == CONTRIBUTOR.lower()
    assert contributor["weight"] == 10_000
    assert found["delta_one"] == 3.0


def test_it_is_signed_by_the_attestor(trainer: Trainer, attestation: dict[str, Any]) -> None:
    found = good(mint(trainer, attestation))
    typed = found["typed_data"]
    signable = encode_typed_data(
        domain_data=typed["domain"], message_types=typed["types"], message_data=typed["message"]
    )
    (signature,) = found["signatures"]
    signer = Account.recover_message(signable, signature=signature)
    assert [signer] == found["signers"] == [attestation["signature"]["signer"]]
    assert [warning["code"] for warning in found["warnings"]] == ["no_verifying_contract"]


def test_the_models_number_on_the_chain_can_be_stated(
    trainer: Trainer, attestation: dict[str, Any]
) -> None:
    found = good(mint(trainer, attestation, chain_model_id="21"))
    assert found["typed_data"]["message"]["modelId"] == "21"
    refused(mint(trainer, attestation, chain_model_id="-1"), 422, "validation_failed")
    refused(mint(trainer, attestation, chain_model_id=str(2**256 - 1)), 422, "validation_failed")


def test_the_candidate_of_one_request_is_the_baseline_of_the_next(trainer: Trainer) -> None:
    runs = [trainer.run(accuracy=value) for value in (0.5, 0.6, 0.7)]
    contribution = {"contributor": CONTRIBUTOR}
    links = []
    for before, after in itertools.pairwise(runs):
        document = good(
            trainer.attest(
                baseline_run_id=before, improved_run_id=after, data_contribution=contribution
            ),
            201,
        )
        payload = good(mint(trainer, document))["typed_data"]["message"]["payload"]
        links.append((payload["baselineCommitment"], payload["candidateCommitment"]))
    assert links[0][1] == links[1][0]
    assert links[0][0] != links[0][1]


def test_a_metric_that_improves_downwards_is_turned_around(trainer: Trainer) -> None:
    document = trainer.improvement(before=0.2, after=0.15, metric="error_rate")
    payload = good(mint(trainer, document))["typed_data"]["message"]["payload"]
    assert (payload["baselineScoreBps"], payload["candidateScoreBps"]) == (8000, 8500)


def test_the_weights_of_one_wallet_are_added_up(trainer: Trainer) -> None:
    other = "0x" + "11" * 20
    document = trainer.improvement(
        data_contribution=[
            {"contributor": CONTRIBUTOR, "weight_bps": 4000, "data_hash": "a"},
            {"contributor": CONTRIBUTOR, "weight_bps": 3500, "data_hash": "b"},
            {"contributor": other, "weight_bps": 2500},
        ]
    )
    contributors = good(mint(trainer, document))["typed_data"]["message"]["contributors"]
    assert [item["weight"] for item in contributors] == [7500, 2500]


@pytest.mark.parametrize(
    ("before", "after", "points"), [(0.85, 0.8599, "0.99"), (0.85, 0.85, "0"), (0.9, 0.8, "-10")]
)
def test_an_improvement_of_less_than_one_point_is_refused(
    trainer: Trainer, before: float, after: float, points: str
) -> None:
    document = trainer.improvement(before=before, after=after)
    problem = refused(mint(trainer, document), 409, "improvement_too_small")
    assert f"by {points} percentage points" in problem["message"]
    assert problem["delta_one"] == float(points)


def test_an_improvement_of_exactly_one_point_is_enough(trainer: Trainer) -> None:
    """0.86 - 0.85 is a little less than 0.01 in binary."""
    assert 0.86 - 0.85 < 0.01 or 0.29 - 0.28 < 0.01
    for before, after in ((0.85, 0.86), (0.28, 0.29), (0.57, 0.58)):
        assert good(mint(trainer, trainer.improvement(before=before, after=after)))


def test_an_attestation_that_cannot_be_minted_says_why(trainer: Trainer) -> None:
    claimed = {"baseline": {"accuracy": 0.5}, "improved": {"accuracy": 0.9}}
    documents = {
        "claimed": good(trainer.attest(kind="claimed", metrics=claimed), 201),
        "baseline": good(trainer.attest(improved_run_id=trainer.run(accuracy=0.9)), 201),
        "proportion": trainer.improvement(before=12.0, after=10.0, metric="rmse"),
        "contributors": trainer.improvement(data_contribution=None),
    }
    for word, document in documents.items():
        problem = refused(mint(trainer, document), 409, "not_mintable")
        assert word in problem["message"]


def test_a_revoked_attestation_cannot_be_minted(trainer: Trainer) -> None:
    document = trainer.improvement()
    path = f"/api/attestations/{document['hash']}/revoke"
    good(trainer.client.post(path, json={"reason": "wrong data"}))
    assert "revoked" in refused(mint(trainer, document), 409, "not_mintable")["message"]
