"""A registration that is sent again with its Idempotency-Key, or with another one."""

from tests.support.gateway import RunningGateway
from tests.support.training import Training


def test_an_idempotency_key_identifies_one_request(training: Training) -> None:
    body = {"run_id": training.run(a=1), "model_type": "c"}
    first = training.register("baseline", key="one", **body)
    again = training.register("baseline", key="one", **body)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = training.register("baseline", key="one", **{**body, "model_type": "d"})
    assert (other.status_code, other.json()["reason"]) == (422, "idempotency_key_reused")
    second = training.register("baseline", key="two", **body)
    assert second.json()["model_id"] != first.json()["model_id"]


def test_a_key_belongs_to_its_principal(gateway: RunningGateway, training: Training) -> None:
    with Training.of(gateway, training.tenant) as colleague:
        body = {"run_id": training.run(a=1), "model_type": "c"}
        mine = training.register("baseline", key="same", **body)
        theirs = colleague.register("baseline", key="same", **body)
        assert theirs.status_code == 201
        assert theirs.json()["model_id"] != mine.json()["model_id"]


def test_a_refused_registration_can_be_sent_again_with_its_key(training: Training) -> None:
    run = training.run(None, a=1)
    body = {"run_id": run, "model_type": "c"}
    assert training.register("baseline", key="k", **body).status_code == 404
    training.mlflow(
        "logged-models", experiment_id="0", name="model", source_run_id=run, model_type="x"
    )
    assert training.register("baseline", key="k", **body).status_code == 201
