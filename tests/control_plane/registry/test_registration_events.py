"""The event that the platform's SDK sends after a tokenized registration in MLflow."""

import secrets
from typing import Any

import pytest

from app.core.request.principal import Scope
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training

PATH = "/api/models/tokenized-registration-events"


@pytest.fixture
def event(training: Training) -> dict[str, Any]:
    """The event of a new version, as that SDK writes it."""
    run_id = training.run(accuracy=0.88)
    name = f"Sales Lead Scoring {secrets.token_hex(4)}"
    training.mlflow("registered-models/create", name=name)
    version = training.mlflow(
        "model-versions/create", name=name, source=f"runs:/{run_id}/model", run_id=run_id
    )["model_version"]["version"]
    token_id = f"HLEAD-{secrets.token_hex(4)}".upper()
    return {
        "model_name": name,
        "version": version,
        "token_id": token_id,
        "proposal_identifier": token_id,
        "metric_name": "accuracy",
        "baseline_value": 0.81,
        "mlflow_run_id": run_id,
        "model_uri": f"models:/{name}/{version}",
        "tags": {"hokusai_token_id": token_id, "hokusai.eval_spec": "sales"},
        "eval_spec": "sales",
        "current_value": 0.99,
        "later_member": 1,
    }


def test_an_event_registers_the_version_that_is_in_mlflow(
    training: Training, event: dict[str, Any]
) -> None:
    found = good(training.client.post(PATH, json=event))
    assert (found["status"], found["event_emitted"], found["detail"]) == ("ok", True, None)
    assert (found["model_name"], found["version"]) == (event["model_name"], event["version"])
    model = training.get(f"/api/models/{found['model_id']}")
    assert model["kind"] == "tokenized"
    assert (model["mlflow_name"], model["mlflow_version"]) == (
        event["model_name"],
        event["version"],
    )
    assert (model["token_id"], model["baseline_value"]) == (event["token_id"], 0.81)
    # What the event states is kept as that; the run's metrics count.
    assert model["metrics"] == {"accuracy": 0.88}
    assert model["metadata"]["registration_event"]["current_value"] == 0.99


def test_the_same_event_is_registered_once(training: Training, event: dict[str, Any]) -> None:
    first = good(training.client.post(PATH, json=event))
    again = good(training.client.post(PATH, json=event))
    # A later release of the SDK says more of the same version.
    more = good(training.client.post(PATH, json={**event, "scorer_ref": "s", "other": True}))
    assert first == again == more
    assert len(training.models(name=event["model_name"])) == 1
    other = training.client.post(PATH, json={**event, "baseline_value": 0.5})
    refused(other, 409, "conflict")


def test_an_event_for_a_model_that_was_registered_directly_changes_nothing(
    training: Training, event: dict[str, Any]
) -> None:
    model = training.registered(
        "tokenized",
        model_uri=event["model_uri"],
        **{name: event[name] for name in ("model_name", "token_id", "metric_name")},
        baseline_value=event["baseline_value"],
    )
    assert good(training.client.post(PATH, json=event))["model_id"] == model["model_id"]


def test_another_tenants_token_is_refused(
    training: Training, stranger: Training, event: dict[str, Any]
) -> None:
    good(training.client.post(PATH, json=event))
    refused(stranger.client.post(PATH, json=event), 404, "not_found")
    run_id = stranger.run(accuracy=0.9)
    stranger.mlflow("registered-models/create", name=event["model_name"])
    stranger.mlflow(
        "model-versions/create",
        name=event["model_name"],
        source=f"runs:/{run_id}/model",
        run_id=run_id,
    )
    refused(stranger.client.post(PATH, json=event), 409, "token_taken")


@pytest.mark.parametrize("missing", ["model_name", "version", "token_id", "metric_name"])
def test_an_incomplete_event_is_refused(
    training: Training, event: dict[str, Any], missing: str
) -> None:
    del event[missing]
    problem = refused(training.client.post(PATH, json=event), 422, "validation_failed")
    assert missing in str(problem)


@pytest.mark.parametrize(
    "member",
    [{"model_name": "n" * 199}, {"api_schema": {"text": "t" * 70_000}}, {"current_value": "0.9"}],
    ids=["name", "schema", "value"],
)
def test_what_no_registration_can_hold_is_refused(
    training: Training, event: dict[str, Any], member: dict[str, Any]
) -> None:
    refused(training.client.post(PATH, json={**event, **member}), 422, "validation_failed")


def test_a_version_that_mlflow_does_not_have_is_refused(
    training: Training, event: dict[str, Any]
) -> None:
    refused(training.client.post(PATH, json={**event, "version": "77"}), 404, "not_found")


def test_the_scope_register_is_needed(
    gateway: RunningGateway, training: Training, event: dict[str, Any]
) -> None:
    with gateway.client(gateway.key(training.tenant, (Scope.READ, Scope.WRITE))) as client:
        refused(client.post(PATH, json=event), 403, "scope_missing")
