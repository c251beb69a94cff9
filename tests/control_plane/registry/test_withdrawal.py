"""Withdrawing a registration: what stays, what is refused, and how a mistake is corrected."""

import secrets
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training
from tests.support.wallet import Wallet

REASON = "The shares of the contributors were wrong."


def address() -> str:
    return f"0x{secrets.token_hex(20)}"


def improve(training: Training, on: dict[str, Any], run: str | None = None, **body: Any) -> Any:
    return training.register(
        "improved",
        run_id=run or training.run(accuracy=0.9),
        baseline_model_id=on["model_id"],
        **{"contributor_address": address(), **body},
    )


def withdraw(training: Training, model: dict[str, Any], reason: str = REASON) -> httpx.Response:
    return training.client.post(
        f"/api/models/{model['model_id']}/withdraw", json={"reason": reason}
    )


def audited(gateway: RunningGateway, model: dict[str, Any]) -> list[dict[str, Any]]:
    with gateway.client(gateway.key(scopes=[Scope.ADMIN])) as admin:
        query = {"subject": model["model_id"], "action": "model.withdrawn"}
        events: list[dict[str, Any]] = good(admin.get("/api/admin/audit", params=query))["items"]
    return events


def test_a_withdrawn_record_stays_and_says_when_and_why(
    gateway: RunningGateway, training: Training, stranger: Training
) -> None:
    model = training.baseline(accuracy=0.5)
    assert model["withdrawn"] is None
    withdrawn = good(withdraw(training, model))
    assert withdrawn["withdrawn"]["reason"] == REASON
    assert withdrawn["withdrawn"]["at"] > model["created_at"]
    assert {**withdrawn, "withdrawn": None} == model
    for reader in (training, stranger):
        shown = reader.get(f"/api/models/{model['model_id']}")
        assert shown["withdrawn"] == withdrawn["withdrawn"]
        listed = reader.models(tenant=training.tenant, name=model["mlflow_name"])
        assert [one["withdrawn"] for one in listed] == [withdrawn["withdrawn"]]
        (node,) = reader.get(f"/api/models/{model['model_id']}/lineage")["nodes"]
        assert node["model"]["withdrawn"] == withdrawn["withdrawn"]
    (event,) = audited(gateway, model)
    assert event["tenant"] == training.tenant
    assert event["details"] == {"kind": "baseline", "reason": REASON}


def test_withdrawing_again_changes_nothing(gateway: RunningGateway, training: Training) -> None:
    model = training.baseline(accuracy=0.5)
    first = good(withdraw(training, model))
    assert good(withdraw(training, model, "Another reason.")) == first
    assert len(audited(gateway, model)) == 1


def test_nothing_builds_on_a_withdrawn_model(training: Training, stranger: Training) -> None:
    baseline = training.baseline(accuracy=0.5)
    improved = good(improve(training, baseline), 201)
    attest = training.attest
    before = good(attest(model_id=improved["model_id"]), 201)
    good(withdraw(training, baseline))
    for tenant in (training, stranger):
        message = refused(improve(tenant, baseline), 409, "model_withdrawn")["message"]
        assert baseline["model_id"] in message
        assert REASON in message
    for body in (
        {"model_id": baseline["model_id"]},
        {"model_id": improved["model_id"], "primary_metric": "accuracy"},
        {"baseline_model_id": baseline["model_id"], "improved_run_id": improved["run_id"]},
        {
            "kind": "claimed",
            "improved_model_id": improved["model_id"],
            "metrics": {"baseline": {"accuracy": 0.5}, "improved": {"accuracy": 0.9}},
        },
    ):
        refused(attest(**body), 409, "model_withdrawn")
    # What was attested before is still to be seen.
    assert training.get(f"/api/attestations/{before['hash']}")["revoked"] is None
    good(withdraw(training, improved))
    refused(attest(improved_model_id=improved["model_id"]), 409, "model_withdrawn")


def test_a_withdrawn_model_is_attested_by_no_name_of_it(training: Training) -> None:
    model = training.baseline(accuracy=0.5)
    run, name = model["run_id"], model["mlflow_name"]
    copy = f"copy-{secrets.token_hex(4)}"
    training.mlflow("registered-models/create", name=copy)
    training.mlflow("model-versions/create", name=copy, source=f"runs:/{run}/model", run_id=run)
    good(withdraw(training, model))
    attest = training.attest
    names: tuple[dict[str, Any], ...] = (
        {"model_id": model["model_id"]},
        {"improved_run_id": run},
        {"model_name": name, "model_version": "1"},
        {"model_name": name, "model_version": 1},
        {"model_name": copy, "model_version": "1"},
        {"baseline_run_id": run, "improved_run_id": training.run(accuracy=0.9)},
        {"improved_run_id": run, "kind": "claimed", "metrics": {"accuracy": 0.5}},
    )
    for one in names:
        refused(attest(**one), 409, "model_withdrawn")
    anew = training.registered("baseline", run_id=run, model_type="c")
    document = good(attest(improved_run_id=run), 201)
    assert document["data"]["model_id"] == anew["model_id"]


def test_a_mistake_is_corrected_by_registering_the_run_anew(training: Training) -> None:
    giver, wrong = address(), address()
    baseline = training.baseline(accuracy=0.5)
    run = training.run(accuracy=0.9)
    mistake = good(improve(training, baseline, run, contributor_address=wrong), 201)
    good(withdraw(training, mistake))
    corrected = good(improve(training, baseline, run, contributor_address=giver), 201)
    assert corrected["model_id"] != mistake["model_id"]
    assert corrected["withdrawn"] is None
    assert training.get(f"/api/contributors/{giver}")["contributions"] == 1
    # What was withdrawn does not count, and is listed as withdrawn.
    assert training.client.get(f"/api/contributors/{wrong}").status_code == 404
    (listed,) = training.get(f"/api/contributors/{wrong}/contributions")["items"]
    assert listed["model_id"] == mistake["model_id"]
    assert listed["withdrawn_at"] is not None


@pytest.mark.parametrize("key", [None, "the-same-key"])
def test_the_same_request_registers_a_withdrawn_model_anew(
    training: Training, key: str | None
) -> None:
    key = key and f"{key}-{secrets.token_hex(4)}"
    body: dict[str, Any] = {"run_id": training.run(accuracy=0.5), "model_type": "c"}
    first = good(training.register("baseline", key, **body), 201)
    again = training.register("baseline", key, **body)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
    good(withdraw(training, first))
    anew = training.register("baseline", key, **body)
    assert "idempotent-replayed" not in anew.headers
    assert good(anew, 201)["model_id"] != first["model_id"]
    assert training.register("baseline", key, **body).json() == anew.json()


def test_a_version_whose_registration_was_withdrawn_can_be_registered_anew(
    training: Training,
) -> None:
    first = training.baseline(accuracy=0.5)
    uri = f"models:/{first['mlflow_name']}/1"
    body = {"model_uri": uri, "model_type": "other"}
    refused(training.register("baseline", **body), 409, "conflict")
    good(withdraw(training, first))
    anew = good(training.register("baseline", **body), 201)
    assert (anew["mlflow_name"], anew["mlflow_version"]) == (first["mlflow_name"], "1")
    (version,) = training.versions(f"name = '{first['mlflow_name']}'")
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    assert tags["hokusai.model_id"] == anew["model_id"]


def test_a_token_id_stays_with_its_tenant(training: Training, stranger: Training) -> None:
    body: dict[str, Any] = {
        "token_id": f"t-{secrets.token_hex(4)}",
        "model_name": "X",
        "metric_name": "f1",
        "baseline_value": 0.5,
    }
    model = training.registered("tokenized", run_id=training.run(f1=0.6), **body)
    good(withdraw(training, model))
    refused(stranger.register("tokenized", run_id=stranger.run(), **body), 409, "token_taken")
    assert (
        training.registered("tokenized", run_id=training.run(f1=0.7), **body)["withdrawn"] is None
    )


def test_only_its_own_tenant_withdraws_a_model(
    gateway: RunningGateway, training: Training, stranger: Training
) -> None:
    public = training.baseline(accuracy=0.5)
    private = training.registered(
        "baseline", run_id=training.run(), model_type="c", private=True, metrics={"f1": 0.5}
    )
    refused(withdraw(stranger, public), 403, "permission_denied")
    refused(withdraw(stranger, private), 404, "not_found")
    refused(withdraw(training, {"model_id": "hkm_absent"}), 404, "not_found")
    with gateway.client(gateway.key(training.tenant, [Scope.READ, Scope.WRITE])) as reader:
        response = withdraw(Training(reader, training.tenant), public)
        refused(response, 403, "scope_missing")
    with gateway.client() as anyone:
        refused(withdraw(Training(anyone, ""), public), 401, "credentials_missing")
    for model in (public, private):
        assert training.get(f"/api/models/{model['model_id']}")["withdrawn"] is None


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "two\nlines"}, {"why": "x"}])
def test_a_reason_is_one_line(training: Training, body: dict[str, str]) -> None:
    model = training.baseline(accuracy=0.5)
    response = training.client.post(f"/api/models/{model['model_id']}/withdraw", json=body)
    refused(response, 422, "validation_failed")


def test_a_wallets_message_withdraws_once(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client(gateway.key(wallet.tenant)) as client:
        training = Training(client, wallet.tenant)
        models = [training.baseline(accuracy=0.5), training.baseline(accuracy=0.5)]
    signed = wallet.headers()
    with gateway.client() as client:
        client.headers.update(signed)
        good(withdraw(Training(client, wallet.tenant), models[0]))
        response = withdraw(Training(client, wallet.tenant), models[1])
        refused(response, 401, "signature_spent")
