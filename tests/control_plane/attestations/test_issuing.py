"""Attestations as they are asked for, by whom, and about what."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.trainer import CONTRIBUTOR, Trainer
from tests.support.wallet import Wallet


def test_the_hash_is_the_guides(attestation: dict[str, Any]) -> None:
    data = attestation["data"]
    again = json.dumps(data, sort_keys=True)
    assert attestation["bytes"] == again
    assert attestation["hash"] == hashlib.sha256(again.encode()).hexdigest()
    assert {"model_name", "model_version", "metrics", "timestamp", "attestation_type"} <= set(data)


def test_a_witnessed_improvement_says_what_was_seen(attestation: dict[str, Any]) -> None:
    data = attestation["data"]
    assert (attestation["kind"], attestation["evidence"], data["kind"]) == ("witnessed",) * 3
    assert data["baseline"]["metrics"] == {"accuracy": 0.85}
    assert data["metrics"] == {"accuracy": 0.88}
    assert data["delta"]["accuracy"] == {
        "baseline": 0.85,
        "improved": 0.88,
        "delta": 0.03,
        "delta_percent": pytest.approx(0.03 / 0.85 * 100),
        "higher_is_better": True,
        "improvement": 0.03,
    }
    assert (data["primary_metric"], data["delta_one"]) == ("accuracy", 3.0)
    assert attestation["delta_one"] == 3.0
    assert attestation["proof"] is None
    assert attestation["revoked"] is None
    (contributor,) = data["contributors"]
    assert contributor["address"].lower() == CONTRIBUTOR.lower()
    assert contributor["weight_bps"] == 10_000
    assert contributor["details"] == {"note": "ünïcode"}


def test_loss_improves_downwards(trainer: Trainer) -> None:
    answer = trainer.improvement(before=0.5, after=0.4, metric="val_loss")
    delta = answer["data"]["delta"]["val_loss"]
    assert (delta["delta"], delta["improvement"], delta["higher_is_better"]) == (-0.1, 0.1, False)
    assert answer["delta_one"] == 10.0


def test_a_direction_can_be_given(trainer: Trainer) -> None:
    answer = trainer.improvement(
        before=0.5, after=0.4, metric="strangeness", higher_is_better={"strangeness": False}
    )
    assert answer["delta_one"] == 10.0


def test_a_zero_baseline_has_no_percentage(trainer: Trainer) -> None:
    answer = trainer.improvement(before=0, after=0.4)
    assert answer["data"]["delta"]["accuracy"]["delta_percent"] is None


def test_a_claim_that_agrees_is_witnessed(trainer: Trainer) -> None:
    answer = trainer.improvement(
        metrics={"baseline": {"accuracy": 0.85}, "improved": {"accuracy": 0.88}}
    )
    assert answer["kind"] == "witnessed"


@pytest.mark.parametrize(
    ("claim", "model", "claimed", "recorded"),
    [
        ({"accuracy": 0.99}, "improved", 0.99, 0.88),
        ({"baseline": {"accuracy": 0.1}, "improved": {}}, "baseline", 0.1, 0.85),
        ({"f1": 0.5}, "improved", 0.5, None),
    ],
)
def test_a_claim_that_disagrees_shows_both_numbers(
    trainer: Trainer, claim: Any, model: str, claimed: float, recorded: float | None
) -> None:
    before, after = trainer.run(accuracy=0.85), trainer.run(accuracy=0.88)
    problem = refused(
        trainer.attest(baseline_run_id=before, improved_run_id=after, metrics=claim),
        422,
        "claim_disagrees",
    )
    (shown,) = problem["disagreements"]
    assert (shown["model"], shown["claimed"], shown["recorded"]) == (model, claimed, recorded)
    assert str(claimed) in problem["message"]
    assert str(recorded) in problem["message"]


def test_the_last_value_of_a_metric_counts(trainer: Trainer) -> None:
    run_id = trainer.run(accuracy=0.5)
    trainer.log(run_id, "accuracy", 0.75)
    answer = good(trainer.attest(improved_run_id=run_id), 201)
    assert answer["data"]["metrics"] == {"accuracy": 0.75}
    assert answer["data"]["baseline"] is None
    assert answer["delta_one"] is None


def test_metrics_that_are_not_finite_are_left_out_and_named(trainer: Trainer) -> None:
    run_id = trainer.run(accuracy=0.5, loss="NaN", gap="Infinity")
    data = good(trainer.attest(improved_run_id=run_id), 201)["data"]
    assert data["metrics"] == {"accuracy": 0.5}
    assert data["metrics_left_out"] == ["gap", "loss"]


def test_a_model_version_as_in_the_guide(trainer: Trainer) -> None:
    run_id = trainer.run(accuracy=0.9)
    version = trainer.version("third_party_classifier", run_id)
    answer = good(trainer.attest(model_name="third_party_classifier", model_version=version), 201)
    data = answer["data"]
    assert (data["model_name"], data["model_version"]) == ("third_party_classifier", version)
    assert (data["run_id"], data["metrics"]) == (run_id, {"accuracy": 0.9})
    refused(trainer.attest(model_name="third_party_classifier", model_version=99), 404, "not_found")
    refused(trainer.attest(model_name="no such model", model_version=1), 404, "not_found")


def test_claimed_numbers_are_called_claimed(trainer: Trainer) -> None:
    answer = good(
        trainer.attest(
            kind="claimed",
            metrics={"baseline": {"accuracy": 0.8}, "improved": {"accuracy": 0.9}},
        ),
        201,
    )
    assert (answer["kind"], answer["evidence"], answer["data"]["kind"]) == ("claimed",) * 3
    assert answer["signature"]["message"]["kind"] == "claimed"
    assert answer["delta_one"] == 10.0


def test_no_other_tenants_run_is_witnessed(trainer: Trainer, gateway: RunningGateway) -> None:
    run_id = trainer.run(accuracy=0.9)
    with gateway.client(gateway.key()) as client:
        refused(Trainer(client).attest(improved_run_id=run_id), 404, "not_found")


def test_it_takes_the_scope_attest(gateway: RunningGateway, attestation: dict[str, Any]) -> None:
    with gateway.client(gateway.key(scopes=[Scope.READ])) as reader:
        refused(Trainer(reader).attest(improved_run_id="x"), 403, "scope_missing")
        assert good(reader.get(f"/api/attestations/{attestation['hash']}"))
    with gateway.client() as nobody:
        refused(nobody.get(f"/api/attestations/{attestation['hash']}"), 401, "credentials_missing")


WRONG: list[dict[str, Any]] = [
    {},
    {"improved_run_id": "x", "model_id": "y"},
    {"improved_run_id": "x", "baseline_run_id": "y", "baseline_model_id": "z"},
    {"model_name": "x"},
    {"kind": "claimed"},
    {"kind": "claimed", "metrics": {"accuracy": "0.9"}},
    {"kind": "claimed", "metrics": {"accuracy": True}},
    {"kind": "claimed", "metrics": {}},
    {"kind": "believed", "metrics": {"accuracy": 0.9}},
    {"kind": "claimed", "metrics": {"accuracy": 0.9}, "primary_metric": "f1"},
    {"kind": "claimed", "metrics": {"accuracy": 0.9}, "unknown": 1},
    {"kind": "claimed", "metrics": {"accuracy": 0.9}, "data_contribution": {}},
    {"kind": "claimed", "metrics": {"accuracy": 0.9}, "data_contribution": {"contributor": "0x1"}},
    {
        "kind": "claimed",
        "metrics": {"accuracy": 0.9},
        "data_contribution": [{"contributor": CONTRIBUTOR, "weight_bps": 9999}],
    },
    {
        "kind": "claimed",
        "metrics": {"accuracy": 0.9},
        "data_contribution": [{"contributor": CONTRIBUTOR, "data_size": -1}],
    },
    {
        "kind": "claimed",
        "metrics": {"accuracy": 0.9},
        "data_contribution": {"contributor": CONTRIBUTOR, "big": 2**60},
    },
    {"kind": "claimed", "metrics": {"baseline": {"a": 1.0}, "improved": {"b": 1.0}}},
]


@pytest.mark.parametrize("request_body", WRONG, ids=lambda body: json.dumps(body)[:60])
def test_what_cannot_be_attested_is_refused(trainer: Trainer, request_body: dict[str, Any]) -> None:
    refused(trainer.attest(**request_body), 422, "validation_failed")


@pytest.mark.parametrize(
    "body",
    [
        '{"kind": "claimed", "metrics": {"accuracy": NaN}}',
        '{"kind": "claimed", "metrics": {"accuracy": Infinity}}',
        '{"kind": "claimed", "metrics": {"accuracy": 0.1, "accuracy": 0.9}}',
    ],
)
def test_json_that_can_be_read_in_two_ways_is_refused(trainer: Trainer, body: str) -> None:
    answer = trainer.client.post(
        "/api/attestations", content=body, headers={"content-type": "application/json"}
    )
    refused(answer, 400, "invalid_parameter")


def test_a_number_too_large_for_json_is_refused(trainer: Trainer) -> None:
    answer = trainer.client.post(
        "/api/attestations",
        content='{"kind": "claimed", "metrics": {"accuracy": 1e999}}',
        headers={"content-type": "application/json"},
    )
    refused(answer, 422, "validation_failed")


def test_several_contributors_share_in_basis_points(trainer: Trainer) -> None:
    other = "0x" + "11" * 20
    answer = trainer.improvement(
        data_contribution=[
            {"contributor": CONTRIBUTOR, "weight_bps": 7500, "samples": 10},
            {"contributor": other, "weight_bps": 2500},
        ]
    )
    shares = [(item["weight_bps"], item["data_size"]) for item in answer["data"]["contributors"]]
    assert shares == [(7500, 10), (2500, None)]
    assert answer["eas"]["sig"]["message"]["recipient"].lower() == CONTRIBUTOR.lower()


def test_the_same_request_gets_the_same_attestation(trainer: Trainer) -> None:
    run_id = trainer.run(accuracy=0.9)
    first = good(trainer.attest(improved_run_id=run_id), 201)
    again = good(trainer.attest(improved_run_id=run_id), 201)
    assert (again["hash"], again["log"]["index"]) == (first["hash"], first["log"]["index"])


def test_an_idempotency_key_names_one_request(trainer: Trainer) -> None:
    run_id, key = trainer.run(accuracy=0.9), {"Idempotency-Key": "one"}
    first = good(trainer.attest(key, improved_run_id=run_id), 201)
    again = good(trainer.attest(key, improved_run_id=run_id), 201)
    assert again["hash"] == first["hash"]
    refused(
        trainer.attest(key, improved_run_id=run_id, primary_metric="accuracy"),
        422,
        "idempotency_key_reused",
    )
    other = good(trainer.attest({"Idempotency-Key": "two"}, improved_run_id=run_id), 201)
    assert other["hash"] != first["hash"]


def test_an_attestation_can_be_fetched_by_its_hash(
    trainer: Trainer, attestation: dict[str, Any]
) -> None:
    found = good(trainer.client.get(f"/api/attestations/{attestation['hash']}"))
    for name in ("hash", "bytes", "data", "signature", "eas", "created_at"):
        assert found[name] == attestation[name]
    refused(trainer.client.get(f"/api/attestations/{'0' * 64}"), 404, "not_found")
    refused(trainer.client.get("/api/attestations/xyz"), 422, "validation_failed")


def test_a_wallet_attests_and_its_message_is_spent_with_it(gateway: RunningGateway) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    with gateway.client() as client:
        asked = Trainer(client).attest(headers, kind="claimed", metrics={"accuracy": 0.5})
        document = good(asked, 201)
        assert document["data"]["tenant"] == wallet.tenant
        again = Trainer(client).attest(headers, kind="claimed", metrics={"accuracy": 0.6})
        refused(again, 401, "signature_spent")


def test_no_key_gets_into_what_is_public_for_good(
    gateway: RunningGateway, trainer: Trainer, attestation: dict[str, Any]
) -> None:
    key = gateway.key()
    given = {"contributor": CONTRIBUTOR, "note": f"made with {key}"}
    refused(
        trainer.attest(kind="claimed", metrics={"accuracy": 0.5}, data_contribution=given),
        422,
        "validation_failed",
    )
    path = f"/api/attestations/{attestation['hash']}/revoke"
    answer = trainer.client.post(path, json={"reason": f"{key} leaked"})
    assert key not in refused(answer, 422, "validation_failed")["message"]


def test_the_audit_log_has_what_was_issued_and_revoked(
    gateway: RunningGateway, trainer: Trainer
) -> None:
    document = good(trainer.attest(kind="claimed", metrics={"accuracy": 0.123}), 201)
    path = f"/api/attestations/{document['hash']}/revoke"
    good(trainer.client.post(path, json={"reason": "a typo"}))
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin:
        page = good(admin.get("/api/admin/audit", params={"subject": document["hash"]}))
    assert [event["action"] for event in page["items"]] == [
        "attestation.revoked",
        "attestation.issued",
    ]


def test_the_routes_are_described_with_examples(anyone: httpx.Client) -> None:
    described = good(anyone.get("/openapi.json"))
    assert "/.well-known/hokusai-attestor.json" in described["paths"]
    schemas = described["components"]["schemas"]
    for name in ("AttestationRequest", "AttestationView"):
        assert schemas[name]["examples"], name
    assert "bytes" in schemas["AttestationView"]["properties"]


def test_an_attestor_is_known_however_the_first_request_ended(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    """Its signatures would be those of nobody for whoever asks this gateway whom to believe."""
    with RunningGateway(new_database(), mlflow_server.url) as gateway, gateway.client() as client:
        headers = Wallet().headers()
        good(client.post("/api/keys", headers=headers, json={"name": "n"}), 201)
        asked = {"kind": "claimed", "metrics": {"accuracy": 0.9}}
        refused(
            client.post("/api/attestations", headers=headers, json=asked), 401, "signature_spent"
        )
        said = good(client.get("/.well-known/hokusai-attestor.json"))
        assert said["signers"] == [said["signer"]]
