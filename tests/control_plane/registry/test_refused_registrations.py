"""Registrations that are refused, before anything is written."""

import secrets
from typing import Any

import pytest

from tests.support.responses import good, refused
from tests.support.training import Training

GUIDES_ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"
CHECKSUMMED = "0x742D35cc6634C0532925A3B844BC9E7595f62341"

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("baseline", {"name": "a/b"}, "slash"),
    ("baseline", {"name": "a:b"}, "colon"),
    ("baseline", {"name": " "}, "1 to 256"),
    ("baseline", {"name": "a\x85"}, "control character"),
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
    ("improved", {"contributor_address": "0x" + "0" * 40, "data_contribution": {}}, "zero address"),
    (
        "improved",
        {"data_contribution": {"contributor": GUIDES_ADDRESS, "recipient": CHECKSUMMED}},
        "body.data_contribution.recipient: is not known here: did you mean contributor",
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


def test_several_problems_are_one_sentence(training: Training) -> None:
    data = {"contributor": "0x1", "samples": -1}
    response = training.register(
        "improved", baseline_model_id="hkm_absent", run_id="1", data_contribution=data
    )
    message = refused(response, 422, "validation_failed")["message"]
    assert "40 hexadecimal digits; body.data_contribution" in message


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


def test_a_model_whose_run_is_deleted_is_not_registered(training: Training) -> None:
    version = training.baseline(accuracy=0.5)
    good(
        training.client.post(
            f"/api/models/{version['model_id']}/withdraw", json={"reason": "for the test"}
        )
    )
    names = (
        {"run_id": version["run_id"]},
        {"model_uri": f"models:/{version['mlflow_name']}/{version['mlflow_version']}"},
    )
    training.mlflow("runs/delete", run_id=version["run_id"])
    for name in names:
        given: tuple[dict[str, Any], ...] = ({}, {"metrics": {"accuracy": 0.5}})
        for metrics in given:
            response = training.register("baseline", None, model_type="c", **name, **metrics)
            problem = refused(response, 409, "deleted_in_mlflow")
            assert version["run_id"] in problem["message"]
    training.mlflow("runs/restore", run_id=version["run_id"])
    for name in names:
        training.registered("baseline", model_type="c", **name)
