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


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("baseline", {"name": "a/b"}, "slash"),
    ("baseline", {"name": "a:b"}, "colon"),
    ("baseline", {"name": " "}, "1 to 256"),
    ("baseline", {"run_id": "5d0f..."}, "run_id and artifact_path do not name a model"),
    ("baseline", {"artifact_path": "../model"}, "artifact_path"),
    ("baseline", {"artifact_path": "a%2fb"}, "artifact_path"),
    ("baseline", {"metrics": {"a": "1"}}, "number"),
    ("baseline", {"metrics": {"a": 1e301}}, "1e+300"),
    ("baseline", {"metadata": {"a": 2**60}}, "integer"),
    ("baseline", {"metadata": {"a": "hk_live_" + "a" * 43 + "_" + "b" * 6}}, "key"),
    ("baseline", {"primary_metric": "absent"}, "primary_metric"),
    ("baseline", {"unknown": 1}, "unknown"),
    ("baseline", {"model_uri": "runs:/1/model"}, "either"),
    ("improved", {"contributor_address": "0x123..."}, "Ethereum address"),
    (
        "improved",
        {"data_contribution": {"contributor": "0x123..."}},
        "body.data_contribution.contributor: This is not a valid Ethereum address",
    ),
    ("improved", {}, "contributor_address"),
    (
        "improved",
        {
            "contributor_address": GUIDES_ADDRESS,
            "data_contribution": [{"weight_bps": 5000}, {"weight_bps": 4999, "data_hash": "1"}],
        },
        "9999",
    ),
    (
        "improved",
        {"contributor_address": GUIDES_ADDRESS, "data_contribution": [{}, {}]},
        "twice",
    ),
    (
        "improved",
        {
            "data_contribution": [
                {"contributor": GUIDES_ADDRESS, "weight": 0.8},
                {"contributor": CHECKSUMMED, "weight_bps": 2000, "data_hash": "1"},
            ]
        },
        "body.data_contribution[0].weight: is not known here: did you mean weight_bps",
    ),
    (
        "improved",
        {"data_contribution": {"Contributor": GUIDES_ADDRESS}},
        "body.data_contribution.Contributor: is not known here: did you mean contributor",
    ),
    ("tokenized", {"token_id": "a b"}, "token_id"),
    ("tokenized", {"additional_tags": {"hokusai.model_id": "x"}}, "server's own"),
    ("tokenized", {"additional_tags": {"mlflow.x": "x"}}, "server's own"),
    ("tokenized", {"additional_tags": {"a//b": "x"}}, "tag"),
    ("tokenized", {"model_name": "a/b"}, "slash"),
]


def written(training: Training) -> tuple[int, int, int]:
    """The number of registered models and of versions in MLflow, and of records in the registry."""
    names = training.get("/api/mlflow/api/2.0/mlflow/registered-models/search")
    versions = training.versions()
    records = training.models(tenant=training.tenant, limit=1000)
    return len(names.get("registered_models", [])), len(versions), len(records)


@pytest.mark.parametrize(("kind", "body", "words"), BAD)
def test_an_invalid_request_is_refused_before_anything_is_written(
    training: Training, kind: str, body: dict[str, Any], words: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "baseline": {"model_type": "c"},
        "improved": {"baseline_model_id": "hkm_absent"},
        "tokenized": {
            "model_name": "M",
            "token_id": f"t-{secrets.token_hex(4)}",
            "metric_name": "a",
            "baseline_value": 0,
        },
    }
    fixed = bodies[kind]
    if kind == "improved":
        fixed = {"baseline_model_id": training.baseline(a=1)["model_id"]}
    run = training.run(a=1)
    before = written(training)
    response = training.register(kind, **{"run_id": run, **fixed, **body})
    assert response.status_code == 422, response.text
    assert words in response.json()["message"]
    assert len(response.json().get("problems", [])) <= 1
    assert written(training) == before


def test_numbers_that_are_not_finite_are_refused(training: Training) -> None:
    run = training.run()
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        for place in ('"metrics": {"a": %s}', '"metadata": {"a": [%s]}'):
            text = '{"run_id": "%s", "model_type": "c", %s}' % (run, place % number)  # noqa: UP031
            response = training.client.post(
                "/api/models/baseline",
                content=text,
                headers={"Content-Type": "application/json"},
            )
            # 1e999 is valid JSON, but too large for a double; the others are not valid JSON.
            status, reason = (
                (422, "validation_failed") if number == "1e999" else (400, "invalid_parameter")
            )
            assert response.status_code == status, response.text
            assert response.json()["reason"] == reason


def test_text_with_nul_is_refused_before_anything_is_written(training: Training) -> None:
    run, before = training.run(), written(training)
    response = training.register("baseline", run_id=run, model_type="c", metadata={"a": "nul\0"})
    assert response.status_code == 400, response.text
    assert "NUL" in response.json()["message"]
    assert written(training) == before


def test_a_missing_model_and_another_tenants_are_not_found(
    training: Training, stranger: Training
) -> None:
    foreign = stranger.baseline(accuracy=0.5)
    logged = stranger.mlflow("logged-models", experiment_id="0", name="m")["model"]["info"]
    for naming in (
        {"run_id": "0" * 32},
        {"run_id": foreign["run_id"]},
        {"model_uri": f"models:/{foreign['mlflow_name']}/1"},
        {"model_uri": f"models:/{logged['model_id']}"},
        {"model_uri": "models:/absent/1"},
        {"run_id": training.run(None)},
    ):
        response = training.register("baseline", model_type="c", **naming)
        assert response.status_code == 404, response.text
        assert response.json()["reason"] == "not_found"


def test_a_uri_that_may_mean_another_model_later_is_refused(training: Training) -> None:
    name = training.baseline(a=1)["mlflow_name"]
    for uri in (f"models:/{name}/latest", f"models:/{name}@best", "s3://a/b", f"models:/{name}"):
        response = training.register("baseline", model_uri=uri, model_type="c")
        assert response.status_code == 422, response.text
        assert "model_uri" in response.json()["message"]


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
