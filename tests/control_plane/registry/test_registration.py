"""Registering models over HTTP: requests, responses, and what MLflow has afterwards."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.training import Training
from tests.support.wallet import Wallet

GUIDES_ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"
CHECKSUMMED = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


def test_the_response_holds_all_that_was_registered(training: Training) -> None:
    run = training.run(accuracy=0.85)
    metadata = {"dataset": "customers_v1", "metrics": {"accuracy": 0.85, "note": "x"}, "n": [None]}
    response = training.register(
        "baseline", run_id=run, model_type="Churn prediction", metadata=metadata
    )
    assert response.status_code == 201, response.text
    model = response.json()
    assert model["kind"] == "baseline"
    assert model["model_id"].startswith("hkm_")
    assert len(model["model_id"]) == 26
    assert model["mlflow_name"].startswith("churn-prediction-")
    assert model["mlflow_version"] == "1"
    assert model["run_id"] == model["mlflow_run_id"] == run
    assert model["model_uri"] == f"runs:/{run}/model"
    assert model["model_type"] == "Churn prediction"
    assert model["tenant"] == training.tenant
    assert model["metadata"] == metadata
    assert model["metrics"] == {"accuracy": 0.85}
    assert model["higher_is_better"] == {"accuracy": True}
    assert not model["private"]
    assert model["baseline_model_id"] is None
    assert (model["contributors"], model["delta"], model["warnings"]) == ([], {}, [])
    assert response.headers["location"] == f"/api/models/{model['model_id']}"
    assert training.get(response.headers["location"]) == model


def test_the_version_in_mlflow_has_tags_with_the_ids_of_the_record(training: Training) -> None:
    model = training.baseline(accuracy=0.5)
    found = training.versions(f"name = '{model['mlflow_name']}'")
    assert [version["version"] for version in found] == ["1"]
    assert found[0]["run_id"] == model["run_id"]
    tags = {tag["key"]: tag["value"] for tag in found[0]["tags"]}
    assert tags == model["tags"]
    assert tags["hokusai.model_id"] == model["model_id"]
    assert tags["hokusai.kind"] == "baseline"


def test_metrics_come_from_the_first_source_that_has_any(training: Training) -> None:
    run = training.run(accuracy=0.1, loss=0.2)
    cases: list[tuple[dict[str, Any], dict[str, float]]] = [
        (
            {"metrics": {"f1": 0.3}, "metadata": {"metrics": {"f1": 0.4}}},
            {"f1": 0.3},
        ),
        ({"metadata": {"metrics": {"f1": 0.4, "kept": True}, "auc": 0.5}}, {"f1": 0.4}),
        ({"metadata": {"accuracy": 0.89, "text": "1"}}, {"accuracy": 0.89}),
        ({"metadata": {"text": "only"}}, {"accuracy": 0.1, "loss": 0.2}),
    ]
    for body, expected in cases:
        model = training.registered("baseline", run_id=run, model_type="c", **body)
        assert model["metrics"] == expected


def test_each_metric_says_whether_it_was_seen_or_given(training: Training) -> None:
    run = training.run(accuracy=0.5, loss=0.2)
    given = {"accuracy": 0.9, "loss": 0.2, "f1": 0.3}
    model = training.registered("baseline", run_id=run, model_type="c", metrics=given)
    sources = model["metric_sources"]
    assert {name: source["source"] for name, source in sources.items()} == {
        "accuracy": "given",
        "loss": "seen",
        "f1": "given",
    }
    assert [sources[name]["in_mlflow"] for name in given] == [0.5, None, None]
    assert all(source["at"] <= model["created_at"] for source in sources.values())
    seen = training.baseline(accuracy=0.5)["metric_sources"]
    assert {name: source["source"] for name, source in seen.items()} == {"accuracy": "seen"}


def test_metrics_of_a_run_that_are_not_finite_are_left_out_with_a_warning(
    training: Training,
) -> None:
    run = training.run(accuracy=0.1)
    for name, value in (("broken", "NaN"), ("endless", "Infinity")):
        training.mlflow("runs/log-metric", run_id=run, key=name, value=value, timestamp=1)
    model = training.registered("baseline", run_id=run, model_type="c")
    assert model["metrics"] == {"accuracy": 0.1}
    assert [warning["code"] for warning in model["warnings"]] == ["metric_not_finite"]


def test_an_existing_version_can_be_registered_once(training: Training) -> None:
    run, name = training.run(accuracy=0.5), f"mine {secrets.token_hex(4)}"
    training.mlflow("registered-models/create", name=name)
    training.mlflow("model-versions/create", name=name, source=f"runs:/{run}/model", run_id=run)
    model = training.registered(
        "baseline", model_uri=f"models:/{name}/1", model_type="classification"
    )
    assert (model["mlflow_name"], model["mlflow_version"]) == (name, "1")
    assert (model["run_id"], model["metrics"]) == (run, {"accuracy": 0.5})
    found = training.versions(f"name = '{name}'")
    assert len(found) == 1
    assert {tag["key"]: tag["value"] for tag in found[0]["tags"]} == model["tags"]
    again = training.register("baseline", model_uri=f"models:/{name}/1", model_type="other")
    assert again.status_code == 409
    assert model["model_id"] in again.json()["message"]


@pytest.mark.parametrize("part", ["team #1", "50% off", "a%2Fb", "a%23b", "é+@&=;,", "back\\slash"])
def test_a_version_is_registered_under_whatever_name_mlflow_resolves(
    training: Training, part: str
) -> None:
    name = f"{part} {secrets.token_hex(4)}"
    training.mlflow("registered-models/create", name=name)
    run = training.run(accuracy=0.5)
    made = training.mlflow(
        "model-versions/create", name=name, source=f"runs:/{run}/model", run_id=run
    )
    assert made["model_version"]["version"] == "1"
    model = training.registered("baseline", model_uri=f"models:/{name}/1", model_type="c")
    assert (model["mlflow_name"], model["mlflow_version"]) == (name, "1")
    assert (model["run_id"], model["metrics"]) == (run, {"accuracy": 0.5})
    copy = training.registered("baseline", model_uri=f"models:/{name}/1", model_type="c", name=run)
    assert (copy["mlflow_name"], copy["run_id"]) == (run, run)


def test_an_existing_version_can_be_registered_under_another_name(training: Training) -> None:
    first = training.baseline(accuracy=0.5)
    uri = f"models:/{first['mlflow_name']}/1"
    other = training.registered("baseline", model_uri=uri, model_type="c", name="under.another")
    assert (other["mlflow_name"], other["model_uri"]) == ("under.another", uri)
    assert other["run_id"] == first["run_id"]


def test_a_logged_model_is_found_by_its_id_and_by_its_run(training: Training) -> None:
    run = training.run(None, accuracy=0.7)
    logged = training.mlflow(
        "logged-models", experiment_id="0", name="forest", source_run_id=run, model_type="x"
    )["model"]["info"]["model_id"]
    for naming in ({"model_uri": f"models:/{logged}"}, {"run_id": run, "artifact_path": "forest"}):
        model = training.registered("baseline", model_type="c", **naming)
        assert model["run_id"] == run
        assert model["metrics"] == {"accuracy": 0.7}
        version = training.versions(f"name = '{model['mlflow_name']}'")[0]
        assert (version["source"], version["run_id"]) == (f"models:/{logged}", run)


def test_a_tokenized_model_is_registered(training: Training) -> None:
    token = f"churn-{secrets.token_hex(4)}"
    run = training.run(f1_score=0.81)
    model = training.registered(
        "tokenized",
        model_uri=f"runs:/{run}/model",
        model_name=token.upper(),
        token_id=token,
        metric_name="f1_score",
        baseline_value=0.75,
        additional_tags={"environment": "production", "version": 2.0, "on": True},
    )
    assert (model["kind"], model["token_id"], model["metric_name"]) == (
        "tokenized",
        token,
        "f1_score",
    )
    assert (model["model_name"], model["mlflow_name"]) == (token.upper(), token.upper())
    assert (model["baseline_value"], model["mlflow_version"]) == (0.75, "1")
    assert (
        model["tags"].items()
        >= {"environment": "production", "version": "2.0", "on": "true"}.items()
    )
    assert model["delta"]["f1_score"]["delta"] == 0.06
    found = training.versions(f"name = '{token.upper()}'")
    assert {tag["key"]: tag["value"] for tag in found[0]["tags"]} == model["tags"]


def test_a_token_belongs_to_the_first_tenant(training: Training, stranger: Training) -> None:
    token = f"t-{secrets.token_hex(4)}"
    body: dict[str, Any] = {"model_name": "X", "metric_name": "f1", "baseline_value": 0.5}
    first = training.registered("tokenized", run_id=training.run(), token_id=token, **body)
    second = training.registered("tokenized", run_id=training.run(), token_id=token.upper(), **body)
    assert second["mlflow_name"] == first["mlflow_name"]
    assert int(second["mlflow_version"]) == int(first["mlflow_version"]) + 1
    refused = stranger.register("tokenized", run_id=stranger.run(), token_id=token, **body)
    assert refused.status_code == 409
    assert refused.json()["reason"] == "token_taken"
    assert training.tenant not in refused.text
    assert stranger.versions() == [] or all(
        version["name"] != "X" for version in stranger.versions()
    )
    assert {one["model_id"] for one in stranger.models(token=token)} == {
        first["model_id"],
        second["model_id"],
    }


def test_registering_needs_the_scope_register_and_reading_the_scope_read(
    gateway: RunningGateway, training: Training
) -> None:
    run = training.run(a=1)
    body = {"run_id": run, "model_type": "c"}
    with gateway.client(gateway.key(training.tenant, [Scope.READ, Scope.WRITE])) as client:
        refused = client.post("/api/models/baseline", json=body)
        assert refused.status_code == 403
        assert "register" in refused.json()["message"]
    with gateway.client(gateway.key(training.tenant, [Scope.REGISTER])) as client:
        assert client.get("/api/models").status_code == 403
        assert client.post("/api/models/baseline", json=body).status_code == 201
    with gateway.client() as client:
        assert client.get("/api/models").status_code == 401
        assert client.post("/api/models/baseline", json=body).status_code == 401


def test_registrations_are_audited(gateway: RunningGateway, training: Training) -> None:
    model = training.baseline(a=1)
    with gateway.client(gateway.key(scopes=[Scope.ADMIN])) as admin:
        found = admin.get("/api/admin/audit", params={"subject": model["model_id"]}).json()["items"]
    assert [(event["action"], event["tenant"]) for event in found] == [
        ("model.registered", training.tenant)
    ]
    assert found[0]["details"]["mlflow_name"] == model["mlflow_name"]


def test_a_wallets_message_registers_one_model(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client(gateway.key(wallet.tenant)) as client:
        training = Training(client, wallet.tenant)
        runs = [training.run(a=1), training.run(a=2)]
    signed = wallet.headers()
    bodies = [{"run_id": run, "model_type": "c"} for run in runs]
    with gateway.client() as client:
        wrong = client.post(
            "/api/models/baseline", json={"run_id": "0" * 32, "model_type": "c"}, headers=signed
        )
        assert wrong.status_code == 404
        first = client.post("/api/models/baseline", json=bodies[0], headers=signed)
        assert first.status_code == 201, first.text
        other = client.post("/api/models/baseline", json=bodies[1], headers=signed)
        assert other.status_code == 401
        assert other.json()["reason"] == "signature_spent"
        # A repetition changes nothing, so the used message authorises it.
        again = client.post("/api/models/baseline", json=bodies[0], headers=signed)
        assert (again.status_code, again.content) == (201, first.content)
        fresh = client.post("/api/models/baseline", json=bodies[1], headers=wallet.headers())
        assert fresh.status_code == 201


def test_models_are_registered_in_an_mlflow_that_tenants_share(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, tenancy="shared") as shared,
        Training.of(shared) as one,
    ):
        model = one.baseline(accuracy=0.5)
        assert [found["model_id"] for found in one.models()] == [model["model_id"]]
        assert len(one.versions(f"name = '{model['mlflow_name']}'")) == 1
