"""What an attestation rests on: registered numbers, what MLflow has now, and whose models."""

import secrets
from typing import Any

import pytest

from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training

GIVER = "0x" + "5a" * 20
OTHER = "0x" + "6b" * 20


def log(training: Training, model: dict[str, Any], **metrics: float | str) -> None:
    for name, value in metrics.items():
        training.log(model["run_id"], name, value)


def improvement(
    training: Training, baseline: dict[str, Any], run: str | None = None, **more: Any
) -> dict[str, Any]:
    return training.registered(
        "improved",
        run_id=run or training.run(accuracy=0.9),
        baseline_model_id=baseline["model_id"],
        contributor_address=GIVER,
        **more,
    )


# --- registered numbers, and MLflow's ---


def test_each_number_says_that_it_was_seen_and_when(owner: Training) -> None:
    baseline = owner.baseline(accuracy=0.85)
    data = good(owner.attest(model_id=improvement(owner, baseline)["model_id"]), 201)["data"]
    for model in (data, data["baseline"]):
        assert model["metric_sources"]["accuracy"]["source"] == "seen"
        assert model["metric_sources"]["accuracy"]["at"] <= data["timestamp"]
    assert data["delta_one"] == 5.0


def test_another_value_in_mlflow_is_shown_and_nothing_is_signed(owner: Training) -> None:
    """Otherwise an owner could lower the number that an improvement is compared with."""
    baseline = owner.baseline(accuracy=0.85)
    improved = improvement(owner, baseline)
    log(owner, baseline, accuracy=0.1)
    for request in (
        {"model_id": improved["model_id"]},
        {"improved_run_id": improved["run_id"]},
        {"improved_run_id": improved["run_id"], "baseline_run_id": baseline["run_id"]},
        {
            "model_name": improved["mlflow_name"],
            "model_version": improved["mlflow_version"],
            "kind": "witnessed",
        },
    ):
        problem = refused(owner.attest(**request), 409, "metrics_changed")
        (changed,) = problem["changed"]
        assert changed == {
            "model": "baseline",
            "model_id": baseline["model_id"],
            "run_id": baseline["run_id"],
            "metric": "accuracy",
            "registered": 0.85,
            "in_mlflow": 0.1,
        }
        assert "0.85" in problem["message"]
    log(owner, improved, accuracy="NaN")
    problem = refused(owner.attest(model_id=improved["model_id"]), 409, "metrics_changed")
    values = {one["model"]: one["in_mlflow"] for one in problem["changed"]}
    assert values == {"improved": None, "baseline": 0.1}


def test_the_caller_says_which_numbers_are_attested(
    gateway: RunningGateway, owner: Training
) -> None:
    baseline = owner.baseline(accuracy=0.85)
    improved = improvement(owner, baseline)
    log(owner, baseline, accuracy=0.1)
    path = f"/api/models/{baseline['model_id']}"
    registered = good(owner.attest(model_id=improved["model_id"], refresh=False), 201)["data"]
    assert registered["baseline"]["metrics"] == {"accuracy": 0.85}
    assert "registered" not in registered["baseline"]["metric_sources"]["accuracy"]
    assert owner.get(f"{path}/observations")["items"] == []

    data = good(owner.attest(model_id=improved["model_id"], refresh=True), 201)["data"]
    assert data["baseline"]["metrics"] == {"accuracy": 0.1}
    source = data["baseline"]["metric_sources"]["accuracy"]
    assert (source["source"], source["registered"]) == ("seen", 0.85)
    # It is a record of its own, and the registration is as it was.
    (observed,) = owner.get(f"{path}/observations")["items"]
    assert observed["metrics"] == {"accuracy": 0.1}
    assert observed["run_id"] == baseline["run_id"]
    assert observed["at"][:19] == source["at"][:19]
    assert owner.get(path)["metrics"] == {"accuracy": 0.85}
    events = sql(
        gateway,
        "select action from audit_events where subject = %s order by id",
        baseline["model_id"],
    )
    assert events == [("model.registered",), ("model.metrics_observed",)]
    # The next attestation has to be decided anew.
    again = owner.attest(headers={"Idempotency-Key": "again"}, model_id=improved["model_id"])
    refused(again, 409, "metrics_changed")


def test_a_stranger_sees_only_what_the_owner_registered(
    owner: Training, stranger: Training
) -> None:
    run = owner.run(accuracy=0.777, secret=0.333)
    baseline = owner.registered("baseline", run_id=run, model_type="c", metrics={"accuracy": 0.5})
    improved = improvement(stranger, baseline)
    response = stranger.attest(model_id=improved["model_id"])
    document = good(response, 201)
    assert "0.777" not in response.text
    assert "0.333" not in response.text
    assert document["data"]["baseline"]["metrics"] == {"accuracy": 0.5}
    source = document["data"]["baseline"]["metric_sources"]["accuracy"]
    assert source["source"] == "given"
    # Nobody has seen 0.5, so this is not witnessed.
    assert document["kind"] == document["evidence"] == "claimed"
    assert document["signature"]["message"]["kind"] == "claimed"
    response = stranger.attest(model_id=improved["model_id"], kind="witnessed")
    refused(response, 409, "not_witnessed")
    assert "0.777" not in response.text
    for refresh in (True, False):
        data = good(stranger.attest(model_id=improved["model_id"], refresh=refresh), 201)["data"]
        assert data["baseline"]["metrics"] == {"accuracy": 0.5}
    refused(
        stranger.client.get(f"/api/models/{baseline['model_id']}/observations"),
        403,
        "permission_denied",
    )


def test_a_stranger_is_not_kept_by_what_the_owner_logs(owner: Training, stranger: Training) -> None:
    baseline = owner.baseline(accuracy=0.85)
    improved = improvement(stranger, baseline)
    log(owner, baseline, accuracy=0.123)
    response = stranger.attest(model_id=improved["model_id"])
    document = good(response, 201)
    assert (document["kind"], document["delta_one"]) == ("witnessed", 5.0)
    assert "0.123" not in response.text


def test_a_metric_that_was_only_given_is_not_witnessed(owner: Training) -> None:
    baseline = owner.baseline(accuracy=0.85, f1=0.5)
    run = owner.run(accuracy=0.9)
    improved = improvement(owner, baseline, run, metrics={"accuracy": 0.9, "f1": 0.99})
    # The metric that counts was seen: the other is left out, and named.
    document = good(owner.attest(model_id=improved["model_id"]), 201)
    assert document["kind"] == "witnessed"
    assert document["data"]["metrics"] == {"accuracy": 0.9}
    assert "f1" in document["data"]["metrics_left_out"]
    # Where the given one counts, nothing is witnessed.
    request = {"model_id": improved["model_id"], "primary_metric": "f1"}
    problem = refused(owner.attest(**request, kind="witnessed"), 409, "not_witnessed")
    assert "f1" in problem["message"]
    document = good(owner.attest(**request), 201)
    assert document["kind"] == document["data"]["kind"] == "claimed"
    sources = document["data"]["metric_sources"]
    assert (sources["f1"]["source"], sources["accuracy"]["source"]) == ("given", "seen")
    # Once the run has it, it is seen.
    log(owner, improved, f1=0.99)
    document = good(owner.attest(**request, kind="witnessed"), 201)
    assert document["data"]["metric_sources"]["f1"]["source"] == "seen"


def test_models_without_a_common_metric_are_both_named(owner: Training) -> None:
    baseline = owner.baseline(accuracy=0.85)
    run = owner.run(f1=0.9)
    problem = refused(
        owner.attest(baseline_model_id=baseline["model_id"], improved_run_id=run),
        422,
        "validation_failed",
    )
    assert all(part in problem["message"] for part in (baseline["model_id"], run, "f1"))


# --- deleted in MLflow ---


@pytest.mark.parametrize("name", ["model", "run", "version"])
def test_a_deleted_run_is_not_witnessed(owner: Training, name: str) -> None:
    model = owner.baseline(accuracy=0.85)
    request = {
        "model": {"model_id": model["model_id"]},
        "run": {"improved_run_id": model["run_id"]},
        "version": {
            "model_name": model["mlflow_name"],
            "model_version": model["mlflow_version"],
        },
    }[name]
    owner.mlflow("runs/delete", run_id=model["run_id"])
    problem = refused(owner.attest(**request), 409, "deleted_in_mlflow")
    assert model["run_id"] in problem["message"]
    owner.mlflow("runs/restore", run_id=model["run_id"])
    good(owner.attest(**request), 201)


def test_a_deleted_run_that_is_not_registered_is_not_witnessed(owner: Training) -> None:
    run = owner.run(accuracy=0.85)
    owner.mlflow("runs/delete", run_id=run)
    refused(owner.attest(improved_run_id=run), 409, "deleted_in_mlflow")
    # What its tenant claims of it is no witness of the gateway's.
    good(owner.attest(kind="claimed", improved_run_id=run, metrics={"accuracy": 0.85}), 201)


def test_a_deleted_version_is_not_witnessed_and_marked(owner: Training, stranger: Training) -> None:
    baseline = owner.baseline(accuracy=0.85)
    mine, theirs = improvement(owner, baseline), improvement(stranger, baseline)
    owner.delete_version(baseline)
    for training, model in ((stranger, theirs), (owner, mine)):
        problem = refused(training.attest(model_id=model["model_id"]), 409, "deleted_in_mlflow")
        assert baseline["model_id"] in problem["message"]
    shown = owner.get(f"/api/models/{baseline['model_id']}")
    assert shown["gone_at"] is not None


def test_a_deleted_logged_model_is_not_witnessed(owner: Training) -> None:
    run = owner.run(None, accuracy=0.85)
    created = owner.mlflow("logged-models", experiment_id="0", name="forest", source_run_id=run)[
        "model"
    ]["info"]["model_id"]
    owner.client.patch(
        f"/api/mlflow/api/2.0/mlflow/logged-models/{created}",
        json={"model_id": created, "status": "LOGGED_MODEL_READY"},
    )
    model = owner.registered("baseline", model_uri=f"models:/{created}", model_type="c")
    good(owner.attest(model_id=model["model_id"]), 201)
    good(owner.client.delete(f"/api/mlflow/api/2.0/mlflow/logged-models/{created}"))
    headers = {"Idempotency-Key": "after"}
    problem = refused(
        owner.attest(headers=headers, model_id=model["model_id"]), 409, "deleted_in_mlflow"
    )
    assert created in problem["message"]


def test_a_renamed_model_is_attested_under_its_present_name(owner: Training) -> None:
    model = owner.baseline(accuracy=0.85)
    renamed = f"renamed-{secrets.token_hex(4)}"
    owner.mlflow("registered-models/rename", name=model["mlflow_name"], new_name=renamed)
    data = good(owner.attest(model_id=model["model_id"]), 201)["data"]
    assert (data["model_name"], data["model_version"]) == (renamed, "1")


# --- contributors ---


@pytest.mark.parametrize("name", ["model", "run", "version", "claimed"])
def test_contributors_of_a_registered_model_are_not_replaced(owner: Training, name: str) -> None:
    improved = improvement(owner, owner.baseline(accuracy=0.85))
    pair = {"baseline": {"accuracy": 0.85}, "improved": {"accuracy": 0.9}}
    request: dict[str, Any] = {
        "model": {"model_id": improved["model_id"]},
        "run": {"improved_run_id": improved["run_id"]},
        "version": {
            "model_name": improved["mlflow_name"],
            "model_version": improved["mlflow_version"],
        },
        "claimed": {"model_id": improved["model_id"], "kind": "claimed", "metrics": pair},
    }[name]
    for others in (
        {"contributor": OTHER},
        [
            {"contributor": GIVER, "weight_bps": 5000},
            {"contributor": OTHER, "weight_bps": 5000},
        ],
        {"contributor": GIVER, "data_size": 10**6},
    ):
        problem = refused(
            owner.attest(**request, data_contribution=others), 422, "validation_failed"
        )
        assert improved["model_id"] in problem["message"]
    for same in ({"contributor": GIVER}, {"contributor": GIVER, "weight_bps": 10000}):
        data = good(owner.attest(**request, data_contribution=same), 201)["data"]
        (share,) = data["contributors"]
        assert (share["address"].lower(), share["weight_bps"]) == (GIVER, 10000)


def test_a_run_of_several_registered_models_has_to_be_named_by_one_of_them(
    owner: Training,
) -> None:
    first = owner.baseline(accuracy=0.85)
    second = owner.registered(
        "baseline", run_id=first["run_id"], model_type="another", metrics={"accuracy": 0.85}
    )
    problem = refused(owner.attest(improved_run_id=first["run_id"]), 422, "validation_failed")
    assert first["model_id"] in problem["message"]
    assert second["model_id"] in problem["message"]
    good(owner.attest(model_id=second["model_id"]), 201)


# --- whose models ---


def test_another_tenants_model_cannot_be_attested(owner: Training, stranger: Training) -> None:
    public = owner.baseline(accuracy=0.85)
    refused(stranger.attest(model_id=public["model_id"]), 403, "permission_denied")
    for request in (
        {"improved_run_id": public["run_id"]},
        {"model_name": public["mlflow_name"], "model_version": "1"},
        {"kind": "claimed", "improved_run_id": public["run_id"], "metrics": {"a": 1.0}},
        {
            "kind": "claimed",
            "model_name": public["mlflow_name"],
            "model_version": "1",
            "metrics": {"a": 1.0},
        },
        {"improved_model_id": "hkm_none"},
    ):
        refused(stranger.attest(**request), 404, "not_found")


def test_nothing_is_claimed_about_another_tenants_baseline(
    owner: Training, stranger: Training
) -> None:
    baseline = owner.baseline(accuracy=0.85, loss=0.3)
    body: dict[str, Any] = {
        "kind": "claimed",
        "baseline_model_id": baseline["model_id"],
        "improved_run_id": stranger.run(accuracy=0.5),
        "private": False,
    }
    for claims in ({"accuracy": 0.01}, {"accuracy": 0.85, "recall": 0.2}):
        pair = {"baseline": claims, "improved": {"accuracy": 0.9}}
        problem = refused(stranger.attest(**body, metrics=pair), 422, "claim_disagrees")
        assert [one["model"] for one in problem["disagreements"]] == ["baseline"]
    # Those that its owner has registered count, whether they are repeated or not.
    pair = {"baseline": {"accuracy": 0.85}, "improved": {"accuracy": 0.9}}
    for metrics in (pair, {"accuracy": 0.9}):
        data = good(stranger.attest(**body, metrics=metrics), 201)["data"]
        assert (data["kind"], data["metrics"]) == ("claimed", {"accuracy": 0.9})
        assert data["baseline"]["metrics"] == {"accuracy": 0.85, "loss": 0.3}
        assert data["baseline"]["metric_sources"]["accuracy"]["source"] == "seen"
        assert data["delta"]["accuracy"]["delta"] == 0.05


def test_claims_about_a_baseline_need_a_baseline(owner: Training) -> None:
    claims = {"baseline": {"accuracy": 0.1}, "improved": {}}
    run = owner.run(accuracy=0.9)
    refused(owner.attest(improved_run_id=run, metrics=claims), 422, "validation_failed")


def test_a_claim_that_disagrees_with_a_registration_is_refused(owner: Training) -> None:
    model = owner.baseline(accuracy=0.85)
    problem = refused(
        owner.attest(model_id=model["model_id"], metrics={"accuracy": 0.86}),
        422,
        "claim_disagrees",
    )
    assert problem["disagreements"][0]["recorded"] == 0.85


def test_names_that_name_no_run_or_registered_model_are_refused(training: Training) -> None:
    """An alias can be moved, and a logged model or a URI has no member of its own."""
    model = training.baseline(accuracy=0.9)
    name, run = model["mlflow_name"], model["run_id"]
    logged = training.mlflow("logged-models", experiment_id="0", name="m", source_run_id=run)
    logged_id = logged["model"]["info"]["model_id"]
    training.mlflow("registered-models/alias", name=name, alias="champion", version="1")
    names: tuple[dict[str, Any], ...] = (
        {"model_id": logged_id},
        {"model_id": f"models:/{logged_id}"},
        {"model_id": f"models:/{name}/1"},
        {"model_id": model["model_id"].upper()},
        {"improved_run_id": logged_id},
        {"improved_run_id": run.upper()},
        {"improved_run_id": f"{run} "},
        {"improved_run_id": f"runs:/{run}/model"},
        {"model_name": f"models:/{logged_id}", "model_version": "1"},
        {"model_name": name, "model_version": "champion"},
        {"model_name": name, "model_version": "@champion"},
        {"model_name": name, "model_version": "latest"},
        {"model_name": name, "model_version": 0},
        {"model_name": f"{name} ", "model_version": "1"},
    )
    for one in names:
        refused(training.attest(**one), 404, "not_found")
    # Another way to write the number of a version is another name of the same model.
    for number in ("01", " 1", 1):
        document = good(training.attest(model_name=name, model_version=number), 201)
        assert document["data"]["model_id"] == model["model_id"]
        assert document["data"]["model_version"] == "1"
