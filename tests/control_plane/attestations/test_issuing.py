"""Issuing attestations over HTTP: what can be attested, by whom, and what the document holds."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training
from tests.support.wallet import Wallet


def test_the_hash_is_computed_as_in_the_integration_guide(attestation: dict[str, Any]) -> None:
    data = attestation["data"]
    again = json.dumps(data, sort_keys=True)
    assert attestation["bytes"] == again
    assert attestation["hash"] == hashlib.sha256(again.encode()).hexdigest()
    assert {"model_name", "model_version", "metrics", "timestamp", "attestation_type"} <= set(data)


def test_a_witnessed_improvement_has_the_metrics_in_mlflow(attestation: dict[str, Any]) -> None:
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
        "direction": "known",
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


def test_a_loss_improves_downwards(trainer: Training) -> None:
    response = trainer.improvement(before=0.5, after=0.4, metric="val_loss")
    delta = response["data"]["delta"]["val_loss"]
    assert (delta["delta"], delta["improvement"], delta["higher_is_better"]) == (-0.1, 0.1, False)
    assert response["delta_one"] == 10.0


def test_the_direction_of_a_metric_can_be_stated(trainer: Training) -> None:
    response = trainer.improvement(
        before=0.5, after=0.4, metric="strangeness", higher_is_better={"strangeness": False}
    )
    assert response["delta_one"] == 10.0
    assert response["data"]["delta"]["strangeness"]["direction"] == "said"


def test_an_attestation_says_of_each_direction_how_it_is_known(trainer: Training) -> None:
    for metric, direction in (("strangeness", "guessed"), ("val_accuracy", "known")):
        response = trainer.improvement(metric=metric)
        assert response["data"]["delta"][metric]["direction"] == direction


@pytest.mark.parametrize("metric", ["accuracy", "test_neg_log_loss"])
def test_a_stated_direction_that_contradicts_a_known_name_is_refused(
    trainer: Training, metric: str
) -> None:
    response = trainer.attest(
        baseline_run_id=trainer.run(**{metric: 0.9}),
        improved_run_id=trainer.run(**{metric: 0.5}),
        higher_is_better={metric: False},
    )
    assert response.status_code == 422, response.text
    assert "is better higher" in response.json()["message"]


def test_a_zero_baseline_has_no_percentage(trainer: Training) -> None:
    response = trainer.improvement(before=0, after=0.4)
    assert response["data"]["delta"]["accuracy"]["delta_percent"] is None


def test_claims_that_agree_with_mlflow_are_witnessed(trainer: Training) -> None:
    response = trainer.improvement(
        metrics={"baseline": {"accuracy": 0.85}, "improved": {"accuracy": 0.88}}
    )
    assert response["kind"] == "witnessed"


@pytest.mark.parametrize(
    ("claim", "model", "claimed", "recorded"),
    [
        ({"accuracy": 0.99}, "improved", 0.99, 0.88),
        ({"baseline": {"accuracy": 0.1}, "improved": {}}, "baseline", 0.1, 0.85),
        ({"f1": 0.5}, "improved", 0.5, None),
    ],
)
def test_a_claim_that_disagrees_with_mlflow_is_refused_with_both_values(
    trainer: Training, claim: Any, model: str, claimed: float, recorded: float | None
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


def test_the_last_logged_value_of_a_metric_is_attested(trainer: Training) -> None:
    run_id = trainer.run(accuracy=0.5)
    trainer.log(run_id, "accuracy", 0.75)
    response = good(trainer.attest(improved_run_id=run_id), 201)
    assert response["data"]["metrics"] == {"accuracy": 0.75}
    assert response["data"]["baseline"] is None
    assert response["delta_one"] is None


def test_metrics_that_are_not_finite_are_left_out_and_named(trainer: Training) -> None:
    run_id = trainer.run(accuracy=0.5, loss="NaN", gap="Infinity")
    data = good(trainer.attest(improved_run_id=run_id), 201)["data"]
    assert data["metrics"] == {"accuracy": 0.5}
    assert data["metrics_left_out"] == ["gap", "loss"]


def test_a_model_version_can_be_attested(trainer: Training) -> None:
    run_id = trainer.run(accuracy=0.9)
    version = trainer.version("third_party_classifier", run_id)
    response = good(trainer.attest(model_name="third_party_classifier", model_version=version), 201)
    data = response["data"]
    assert (data["model_name"], data["model_version"]) == ("third_party_classifier", version)
    assert (data["run_id"], data["metrics"]) == (run_id, {"accuracy": 0.9})
    refused(trainer.attest(model_name="third_party_classifier", model_version=99), 404, "not_found")
    refused(trainer.attest(model_name="no such model", model_version=1), 404, "not_found")


def test_claimed_metrics_are_marked_as_claimed(trainer: Training) -> None:
    response = good(
        trainer.attest(
            kind="claimed",
            metrics={"baseline": {"accuracy": 0.8}, "improved": {"accuracy": 0.9}},
        ),
        201,
    )
    assert (response["kind"], response["evidence"], response["data"]["kind"]) == ("claimed",) * 3
    assert response["signature"]["message"]["kind"] == "claimed"
    assert response["delta_one"] == 10.0


def test_a_run_of_another_tenant_is_not_found(trainer: Training, gateway: RunningGateway) -> None:
    run_id = trainer.run(accuracy=0.9)
    with gateway.client(gateway.key()) as client:
        refused(Training(client).attest(improved_run_id=run_id), 404, "not_found")


def test_issuing_needs_the_scope_attest_and_reading_the_scope_read(
    gateway: RunningGateway, attestation: dict[str, Any]
) -> None:
    with gateway.client(gateway.key(scopes=[Scope.READ])) as reader:
        refused(Training(reader).attest(improved_run_id="x"), 403, "scope_missing")
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
    {"kind": "claimed", "metrics": {"accuracy": 1e301}},
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
def test_what_cannot_be_attested_is_refused(
    trainer: Training, request_body: dict[str, Any]
) -> None:
    refused(trainer.attest(**request_body), 422, "validation_failed")


@pytest.mark.parametrize(
    "body",
    [
        '{"kind": "claimed", "metrics": {"accuracy": NaN}}',
        '{"kind": "claimed", "metrics": {"accuracy": Infinity}}',
        '{"kind": "claimed", "metrics": {"accuracy": 0.1, "accuracy": 0.9}}',
    ],
)
def test_ambiguous_json_is_refused(trainer: Training, body: str) -> None:
    response = trainer.client.post(
        "/api/attestations", content=body, headers={"content-type": "application/json"}
    )
    refused(response, 400, "invalid_parameter")


def test_a_number_too_large_for_a_double_is_refused(trainer: Training) -> None:
    response = trainer.client.post(
        "/api/attestations",
        content='{"kind": "claimed", "metrics": {"accuracy": 1e999}}',
        headers={"content-type": "application/json"},
    )
    problem = refused(response, 422, "validation_failed")
    assert "must be finite: a number from -1e+300 to 1e+300" in problem["message"]


def test_several_contributors_get_their_shares(trainer: Training) -> None:
    other = "0x" + "11" * 20
    response = trainer.improvement(
        data_contribution=[
            {"contributor": CONTRIBUTOR, "weight_bps": 7500, "samples": 10},
            {"contributor": other, "weight_bps": 2500},
        ]
    )
    shares = [(item["weight_bps"], item["data_size"]) for item in response["data"]["contributors"]]
    assert shares == [(7500, 10), (2500, None)]
    assert response["eas"]["sig"]["message"]["recipient"].lower() == CONTRIBUTOR.lower()


def test_the_same_request_gets_the_same_attestation(trainer: Training) -> None:
    run_id = trainer.run(accuracy=0.9)
    first = good(trainer.attest(improved_run_id=run_id), 201)
    again = good(trainer.attest(improved_run_id=run_id), 201)
    assert (again["hash"], again["log"]["index"]) == (first["hash"], first["log"]["index"])


def test_an_idempotency_key_names_one_request(trainer: Training) -> None:
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
    trainer: Training, attestation: dict[str, Any]
) -> None:
    found = good(trainer.client.get(f"/api/attestations/{attestation['hash']}"))
    for name in ("hash", "bytes", "data", "signature", "eas", "created_at"):
        assert found[name] == attestation[name]
    refused(trainer.client.get(f"/api/attestations/{'0' * 64}"), 404, "not_found")
    refused(trainer.client.get("/api/attestations/xyz"), 422, "validation_failed")


def test_a_wallets_message_issues_one_attestation(gateway: RunningGateway) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    with gateway.client() as client:
        first = Training(client).attest(headers, kind="claimed", metrics={"accuracy": 0.5})
        document = good(first, 201)
        assert document["data"]["tenant"] == wallet.tenant
        again = Training(client).attest(headers, kind="claimed", metrics={"accuracy": 0.6})
        refused(again, 401, "signature_spent")


def test_a_secret_is_refused_in_what_becomes_public(
    gateway: RunningGateway, trainer: Training, attestation: dict[str, Any]
) -> None:
    key = gateway.key()
    contribution = {"contributor": CONTRIBUTOR, "note": f"made with {key}"}
    refused(
        trainer.attest(kind="claimed", metrics={"accuracy": 0.5}, data_contribution=contribution),
        422,
        "validation_failed",
    )
    path = f"/api/attestations/{attestation['hash']}/revoke"
    response = trainer.client.post(path, json={"reason": f"{key} leaked"})
    assert key not in refused(response, 422, "validation_failed")["message"]


def test_issuing_and_revoking_are_audited(gateway: RunningGateway, trainer: Training) -> None:
    document = good(trainer.attest(kind="claimed", metrics={"accuracy": 0.123}), 201)
    path = f"/api/attestations/{document['hash']}/revoke"
    good(trainer.client.post(path, json={"reason": "a typo"}))
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin:
        page = good(admin.get("/api/admin/audit", params={"subject": document["hash"]}))
    assert [event["action"] for event in page["items"]] == [
        "attestation.revoked",
        "attestation.issued",
    ]


def test_the_openapi_document_describes_attestations_with_examples(anyone: httpx.Client) -> None:
    described = good(anyone.get("/openapi.json"))
    assert "/.well-known/hokusai-attestor.json" in described["paths"]
    schemas = described["components"]["schemas"]
    for name in ("AttestationRequest", "AttestationView"):
        assert schemas[name]["examples"], name
    assert "bytes" in schemas["AttestationView"]["properties"]


def test_an_attestor_is_registered_even_if_its_first_request_fails(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    """Otherwise it would be missing in the list of attestors that verifiers trust."""
    with RunningGateway(new_database(), mlflow_server.url) as gateway, gateway.client() as client:
        headers = Wallet().headers()
        good(client.post("/api/keys", headers=headers, json={"name": "n"}), 201)
        request = {"kind": "claimed", "metrics": {"accuracy": 0.9}}
        refused(
            client.post("/api/attestations", headers=headers, json=request), 401, "signature_spent"
        )
        known = good(client.get("/.well-known/hokusai-attestor.json"))
        assert known["signers"] == [known["signer"]]
