"""Which attestations only their tenant may read."""

import secrets
from typing import Any

import pytest

from tests.support.responses import good, refused
from tests.support.training import Training


def private_names(training: Training) -> dict[str, dict[str, Any]]:
    """The names of one private model, as members of a request."""
    model = training.registered(
        "baseline", run_id=training.run(accuracy=0.9), model_type="c", private=True
    )
    run, name = model["run_id"], model["mlflow_name"]
    copy = f"copy-{secrets.token_hex(4)}"
    training.mlflow("registered-models/create", name=copy)
    training.mlflow("model-versions/create", name=copy, source=f"runs:/{run}/model", run_id=run)
    claimed = {"kind": "claimed", "metrics": {"accuracy": 0.9}}
    pair = {"baseline": {"accuracy": 0.1}, "improved": {"accuracy": 0.9}}
    return {
        "model": {"model_id": model["model_id"]},
        "run": {"improved_run_id": run},
        "version": {"model_name": name, "model_version": "1"},
        "number": {"model_name": name, "model_version": 1},
        "copy": {"model_name": copy, "model_version": "1"},
        "baseline run": {"baseline_run_id": run, "improved_run_id": training.run(accuracy=0.95)},
        "claimed run": {"improved_run_id": run, **claimed},
        "claimed version": {"model_name": name, "model_version": "1", **claimed},
        "claimed baseline": {"baseline_run_id": run, "kind": "claimed", "metrics": pair},
    }


@pytest.fixture(scope="module")
def names(owner: Training) -> dict[str, dict[str, Any]]:
    return private_names(owner)


@pytest.mark.parametrize(
    "name",
    [
        *("model", "run", "version", "number", "copy", "baseline run", "claimed run"),
        *("claimed version", "claimed baseline"),
    ],
)
def test_what_is_registered_as_private_is_private_by_every_name(
    owner: Training, stranger: Training, names: dict[str, dict[str, Any]], name: str
) -> None:
    giver = f"0x{secrets.token_hex(20)}"
    request = names[name]
    if name.startswith("claimed base") or name == "baseline run":
        request = request | {"data_contribution": {"contributor": giver}}
    document = good(owner.attest(**request), 201)
    path = f"/api/attestations/{document['hash']}"
    assert owner.get(path)["hash"] == document["hash"]
    refused(stranger.client.get(path), 404, "not_found")
    for query in (f"contributor={giver}", f"tenant={owner.tenant}"):
        found = stranger.get(f"/api/attestations?{query}")["items"]
        assert document["hash"] not in {item["hash"] for item in found}
    refused(owner.attest(**request, private=False), 422, "validation_failed")
    # Of the log everybody sees the hash only.
    index = document["log"]["index"]
    entries = stranger.get(f"/api/attestations/log/entries?start={index}&limit=1")["entries"]
    assert set(entries[0]) == {"index", "kind", "attestation", "entry", "leaf_hash"}
    assert "accuracy" not in entries[0]["entry"]


def test_a_private_model_stays_private_after_its_version_is_gone(
    owner: Training, stranger: Training
) -> None:
    model = owner.registered(
        "baseline", run_id=owner.run(accuracy=0.9), model_type="c", private=True
    )
    owner.delete_version(model)
    refused(owner.attest(model_id=model["model_id"]), 409, "deleted_in_mlflow")
    document = good(owner.attest(improved_run_id=model["run_id"]), 201)
    refused(stranger.client.get(f"/api/attestations/{document['hash']}"), 404, "not_found")


def test_a_run_that_was_registered_as_private_by_mistake_can_be_published(
    owner: Training, stranger: Training
) -> None:
    run, name = owner.run(accuracy=0.9), f"published-{secrets.token_hex(4)}"
    body = {"run_id": run, "model_type": "c"}
    mistake = owner.registered("baseline", private=True, **body)
    # A public registration of the same run shows its metrics to everybody.
    public = owner.registered("baseline", name=name, **body)
    (warning,) = public["warnings"]
    assert warning["code"] == "private_run"
    assert mistake["model_id"] in warning["message"]
    refused(owner.attest(model_id=public["model_id"], private=False), 422, "validation_failed")
    path = f"/api/models/{mistake['model_id']}/withdraw"
    good(owner.client.post(path, json={"reason": "meant to be public"}))
    document = good(owner.attest(model_id=public["model_id"]), 201)
    good(stranger.client.get(f"/api/attestations/{document['hash']}"))


def test_a_public_model_under_the_freed_name_of_a_private_one_is_public(
    owner: Training, stranger: Training
) -> None:
    name = f"freed-{secrets.token_hex(4)}"
    body = {"model_type": "c", "name": name}
    owner.registered("baseline", run_id=owner.run(accuracy=0.9), private=True, **body)
    good(
        owner.client.request(
            "DELETE", "/api/mlflow/api/2.0/mlflow/registered-models/delete", json={"name": name}
        )
    )
    public = owner.registered("baseline", run_id=owner.run(accuracy=0.8), **body)
    assert public["mlflow_version"] == "1"
    document = good(owner.attest(model_name=name, model_version="1"), 201)
    assert document["data"]["model_id"] == public["model_id"]
    good(stranger.client.get(f"/api/attestations/{document['hash']}"))


@pytest.mark.parametrize(("wish", "status"), [(None, 404), (True, 404), (False, 200)])
def test_a_run_that_nobody_has_registered_is_private_unless_asked(
    owner: Training, stranger: Training, wish: bool | None, status: int
) -> None:
    run = owner.run(accuracy=0.9)
    more: dict[str, Any] = {} if wish is None else {"private": wish}
    document = good(owner.attest(improved_run_id=run, **more), 201)
    found = stranger.client.get(f"/api/attestations/{document['hash']}")
    assert found.status_code == status
    # Anybody who is given the document can verify it.
    assert good(stranger.client.post("/api/attestations/verify", json=document))["valid"]


def test_a_public_model_is_attested_in_public_unless_asked(
    owner: Training, stranger: Training
) -> None:
    model = owner.baseline(accuracy=0.9)
    for request, status in (
        ({"model_id": model["model_id"]}, 200),
        ({"improved_run_id": model["run_id"]}, 200),
        ({"model_id": model["model_id"], "private": True}, 404),
    ):
        document = good(owner.attest(**request), 201)
        found = stranger.client.get(f"/api/attestations/{document['hash']}")
        assert found.status_code == status
