"""Records follow their versions in MLflow, which gives names and numbers out again."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.gateway import RunningGateway
from tests.support.sql import sql
from tests.support.training import Training


def name() -> str:
    return f"model-{secrets.token_hex(4)}"


def delete_model(training: Training, model: str) -> None:
    response = training.client.request(
        "DELETE", "/api/mlflow/api/2.0/mlflow/registered-models/delete", json={"name": model}
    )
    assert response.status_code == 200, response.text


def rename(training: Training, old: str, new: str) -> None:
    training.mlflow("registered-models/rename", name=old, new_name=new)


def baseline(training: Training, model: str, **metrics: float) -> dict[str, Any]:
    run = training.run(**(metrics or {"accuracy": 0.5}))
    return training.registered("baseline", run_id=run, model_type="c", name=model)


def new_version(training: Training, model: str, run: str) -> str:
    training.client.post(
        "/api/mlflow/api/2.0/mlflow/registered-models/create", json={"name": model}
    )
    made = training.mlflow(
        "model-versions/create", name=model, source=f"runs:/{run}/model", run_id=run
    )
    version: str = made["model_version"]["version"]
    return version


def audited(gateway: RunningGateway, model: dict[str, Any]) -> list[str]:
    rows = sql(
        gateway,
        "select action from audit_events where subject = %s order by id",
        model["model_id"],
    )
    return [row[0] for row in rows]


def test_a_model_is_registered_under_the_freed_name_of_another(
    gateway: RunningGateway, training: Training
) -> None:
    model = name()
    old = baseline(training, model)
    assert old["gone_at"] is None
    delete_model(training, model)
    new = baseline(training, model, accuracy=0.7)
    assert (new["mlflow_name"], new["mlflow_version"]) == (model, "1")
    shown = {one["model_id"]: one["gone_at"] for one in training.models(name=model)}
    assert shown[new["model_id"]] is None
    assert shown[old["model_id"]] is not None
    assert training.get(f"/api/models/{old['model_id']}")["gone_at"] is not None
    assert audited(gateway, old) == ["model.registered", "model.gone"]
    # The version has its new record, which the next attempt to register it names.
    again = training.register("baseline", model_uri=f"models:/{model}/1", model_type="c")
    assert again.status_code == 409, again.text
    assert new["model_id"] in again.json()["message"]


def test_a_version_under_a_freed_name_is_registered_by_its_uri(training: Training) -> None:
    model = name()
    old = baseline(training, model)
    delete_model(training, model)
    run = training.run(accuracy=0.7)
    assert new_version(training, model, run) == "1"
    new = training.registered("baseline", model_uri=f"models:/{model}/1", model_type="c")
    assert new["run_id"] == run
    assert training.get(f"/api/models/{old['model_id']}")["gone_at"] is not None


def test_the_same_run_is_registered_again_after_its_version_was_deleted(
    training: Training,
) -> None:
    model, run = name(), training.run(accuracy=0.5)
    old = training.registered("baseline", run_id=run, model_type="c", name=model)
    delete_model(training, model)
    again = training.register("baseline", key="again", run_id=run, model_type="c", name=model)
    assert again.status_code == 201, again.text
    assert again.json()["model_id"] != old["model_id"]


def test_a_record_follows_the_new_name_of_its_model(
    gateway: RunningGateway, training: Training
) -> None:
    model, renamed = name(), name()
    old = baseline(training, model)
    rename(training, model, renamed)
    again = training.register("baseline", model_uri=f"models:/{renamed}/1", model_type="c")
    assert again.status_code == 409, again.text
    assert old["model_id"] in again.json()["message"]
    shown = training.get(f"/api/models/{old['model_id']}")
    assert (shown["mlflow_name"], shown["gone_at"]) == (renamed, None)
    assert audited(gateway, old) == ["model.registered", "model.renamed"]
    new = baseline(training, model)
    assert (new["mlflow_name"], new["mlflow_version"]) == (model, "1")
    # The tag in MLflow still leads from each version to its own record.
    tags = {
        (one["name"], tag["value"])
        for one in training.versions()
        for tag in one["tags"]
        if tag["key"] == "hokusai.model_id"
    }
    assert {(renamed, old["model_id"]), (model, new["model_id"])} <= tags


def test_a_record_is_followed_without_its_tag(training: Training) -> None:
    model, renamed = name(), name()
    old = baseline(training, model)
    response = training.client.request(
        "DELETE",
        "/api/mlflow/api/2.0/mlflow/model-versions/delete-tag",
        json={"name": model, "version": "1", "key": "hokusai.model_id"},
    )
    assert response.status_code == 200, response.text
    rename(training, model, renamed)
    again = training.register("baseline", model_uri=f"models:/{renamed}/1", model_type="c")
    assert again.status_code == 409, again.text
    assert old["model_id"] in again.json()["message"]


def test_models_that_have_swapped_their_names_are_followed(training: Training) -> None:
    one, two, between = name(), name(), name()
    first, second = baseline(training, one), baseline(training, two)
    for old, new in ((one, between), (two, one), (between, two)):
        rename(training, old, new)
    for model, expected in ((one, second), (two, first)):
        again = training.register("baseline", model_uri=f"models:/{model}/1", model_type="c")
        assert again.status_code == 409, again.text
        assert expected["model_id"] in again.json()["message"]
        assert training.get(f"/api/models/{expected['model_id']}")["mlflow_name"] == model


def test_a_copy_of_a_version_is_another_version(training: Training) -> None:
    """MLflow copies the tags, too."""
    model, copy = name(), name()
    original = baseline(training, model)
    new_version(training, copy, original["run_id"])
    training.mlflow(
        "model-versions/set-tag",
        name=copy,
        version="1",
        key="hokusai.model_id",
        value=original["model_id"],
    )
    registered = training.registered("baseline", model_uri=f"models:/{copy}/1", model_type="c")
    assert registered["model_id"] != original["model_id"]
    shown = training.get(f"/api/models/{original['model_id']}")
    assert (shown["mlflow_name"], shown["gone_at"]) == (model, None)


def test_a_version_that_several_requests_register_has_one_record(training: Training) -> None:
    model = name()
    old = baseline(training, model)
    delete_model(training, model)
    new_version(training, model, training.run(accuracy=0.7))

    def send(number: int) -> int:
        body = {"model_uri": f"models:/{model}/1", "model_type": "c"}
        return training.register("baseline", key=f"k{number}", **body).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(send, range(4)))
    assert statuses == [201, 409, 409, 409]
    current = [one for one in training.models(name=model) if one["gone_at"] is None]
    assert len(current) == 1
    assert current[0]["model_id"] != old["model_id"]


def test_a_lineage_shows_which_of_its_models_are_gone(training: Training) -> None:
    model = name()
    old = baseline(training, model)
    delete_model(training, model)
    baseline(training, model)
    (node,) = training.get(f"/api/models/{old['model_id']}/lineage")["nodes"]
    assert node["model"]["gone_at"] is not None


@pytest.mark.parametrize("how", ["by run", "by version"])
def test_registering_a_record_of_an_earlier_release_is_recognised(
    gateway: RunningGateway, training: Training, how: str
) -> None:
    """It has no time of creation; the tag in MLflow leads back to it."""
    model = name()
    old = baseline(training, model)
    sql(
        gateway,
        "update models set mlflow_created_at = null where model_id = %s",
        old["model_id"],
    )
    if how == "by version":
        again = training.register("baseline", model_uri=f"models:/{model}/1", model_type="c")
        assert again.status_code == 409, again.text
    else:
        delete_model(training, model)
        assert baseline(training, model)["mlflow_version"] == "1"
        assert training.get(f"/api/models/{old['model_id']}")["gone_at"] is not None
