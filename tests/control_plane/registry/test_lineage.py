"""Improvements and their lineage: deltas, contributors, and who may see them."""

import secrets
from typing import Any

import pytest

from app.control_plane.registry.planner import MAX_GENERATIONS
from tests.support.gateway import RunningGateway
from tests.support.responses import refused
from tests.support.sql import sql
from tests.support.training import Training

GUIDES_ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"
CHECKSUMMED = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


def improve(training: Training, on: dict[str, Any], **body: Any) -> dict[str, Any]:
    """A new run, registered as an improvement; `metrics` are those of the run."""
    metrics = body.pop("metrics", {"accuracy": 0.88})
    return training.registered(
        "improved",
        **{
            "run_id": training.run(**metrics),
            "baseline_model_id": on["model_id"],
            "contributor_address": GUIDES_ADDRESS,
            **body,
        },
    )


def test_an_improvement_as_in_the_integration_guide(training: Training) -> None:
    baseline = training.baseline(accuracy=0.85, loss=0.5, only=1)
    model = improve(
        training,
        baseline,
        metrics={"accuracy": 0.88, "loss": 0.4, "more": 1},
        data_contribution={"samples": 5000, "data_hash": "ab" * 32, "source": {"kept": [1]}},
    )
    assert (model["kind"], model["baseline_model_id"]) == ("improved", baseline["model_id"])
    assert model["model_type"] == baseline["model_type"]
    assert model["contributors"] == [
        {
            "address": CHECKSUMMED,
            "weight_bps": 10_000,
            "data_size": 5000,
            "data_hash": "ab" * 32,
            "details": {"source": {"kept": [1]}},
        }
    ]
    assert [warning["code"] for warning in model["warnings"]] == ["address_checksum"]
    assert CHECKSUMMED in model["warnings"][0]["message"]
    assert model["delta"] == {
        "accuracy": {
            "baseline": 0.85,
            "improved": 0.88,
            "delta": 0.03,
            "delta_percent": pytest.approx(3.529411764705882),
            "higher_is_better": True,
            "direction": "known",
            "improvement": 0.03,
        },
        "loss": {
            "baseline": 0.5,
            "improved": 0.4,
            "delta": -0.1,
            "delta_percent": -20,
            "higher_is_better": False,
            "direction": "known",
            "improvement": 0.1,
        },
    }
    assert training.get(f"/api/models/{model['model_id']}") == model


def test_a_baseline_value_of_zero_has_no_percentage(training: Training) -> None:
    model = improve(training, training.baseline(accuracy=0), metrics={"accuracy": 0.5})
    assert model["delta"]["accuracy"]["delta_percent"] is None
    assert model["delta"]["accuracy"]["delta"] == 0.5


def test_a_stated_direction_also_applies_to_improvements(training: Training) -> None:
    baseline = training.registered(
        "baseline",
        run_id=training.run(score=10),
        model_type="c",
        higher_is_better={"score": False},
        primary_metric="score",
    )
    assert baseline["higher_is_better"] == {"score": False}
    assert baseline["directions"] == {"score": "said"}
    model = improve(training, baseline, metrics={"score": 8})
    assert model["delta"]["score"]["improvement"] == 2
    assert model["primary_metric"] == "score"
    assert model["delta"]["score"]["direction"] == "said"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"score": True}, "has it recorded as better lower (said)"),
        ({"accuracy": False}, "a metric of that name is better higher"),
        ({"val_loss": True}, "a metric of that name is better lower"),
    ],
)
def test_a_direction_that_contradicts_the_baseline_or_a_known_name_is_refused(
    training: Training, said: dict[str, bool], words: str
) -> None:
    baseline = training.registered(
        "baseline",
        run_id=training.run(score=10, accuracy=0.9),
        model_type="c",
        higher_is_better={"score": False},
    )
    refused = training.register(
        "improved",
        run_id=training.run(score=8, accuracy=0.5),
        baseline_model_id=baseline["model_id"],
        contributor_address=CHECKSUMMED,
        higher_is_better=said,
    )
    assert refused.status_code == 422, refused.text
    assert words in refused.json()["message"]


def test_another_tenant_turns_no_guess_about_a_baseline_into_a_statement(
    training: Training, stranger: Training
) -> None:
    baseline = training.baseline(strangeness=1)
    assert baseline["directions"] == {"strangeness": "guessed"}
    body = {
        "baseline_model_id": baseline["model_id"],
        "contributor_address": CHECKSUMMED,
        "metrics": {"strangeness": 0.5},
    }
    for tenant, status in ((stranger, 422), (training, 201)):
        response = tenant.register(
            "improved", run_id=tenant.run(), higher_is_better={"strangeness": False}, **body
        )
        assert response.status_code == status, response.text
    own = response.json()["delta"]["strangeness"]
    assert (own["improvement"], own["direction"]) == (0.5, "said")
    agreed = stranger.registered(
        "improved", run_id=stranger.run(), higher_is_better={"strangeness": True}, **body
    )
    assert agreed["delta"]["strangeness"]["direction"] == "guessed"


def test_models_without_a_common_metric_get_a_warning(training: Training) -> None:
    model = improve(training, training.baseline(a=1), metrics={"b": 1})
    assert model["delta"] == {}
    assert "no_common_metric" in [warning["code"] for warning in model["warnings"]]


def test_an_improvement_adds_a_version_to_the_callers_own_model(
    training: Training, stranger: Training
) -> None:
    baseline = training.baseline(accuracy=0.85)
    model = improve(training, baseline)
    assert (model["mlflow_name"], model["mlflow_version"]) == (baseline["mlflow_name"], "2")
    second = improve(training, model, metrics={"accuracy": 0.9})
    assert (second["mlflow_name"], second["mlflow_version"]) == (baseline["mlflow_name"], "3")
    named = improve(training, baseline, name=f"{baseline['mlflow_name']}-b")
    assert (named["mlflow_name"], named["mlflow_version"]) == (
        f"{baseline['mlflow_name']}-b",
        "1",
    )
    foreign = improve(stranger, baseline)
    assert foreign["mlflow_name"] != baseline["mlflow_name"]
    assert foreign["mlflow_version"] == "1"


def test_an_unknown_baseline_is_not_found(training: Training) -> None:
    response = training.register(
        "improved",
        run_id=training.run(),
        baseline_model_id="hkm_absent",
        contributor_address=CHECKSUMMED,
    )
    assert (response.status_code, response.json()["reason"]) == (404, "not_found")


def test_a_lineage_tree_spans_tenants(training: Training, stranger: Training) -> None:
    root = training.baseline(accuracy=0.5)
    left = improve(training, root, metrics={"accuracy": 0.6})
    right = improve(stranger, root, metrics={"accuracy": 0.7})
    leaf = improve(stranger, right, metrics={"accuracy": 0.75})
    expected = [root["model_id"], left["model_id"], right["model_id"], leaf["model_id"]]
    for model, path in (
        (leaf, [root["model_id"], right["model_id"], leaf["model_id"]]),
        (root, [root["model_id"]]),
    ):
        for reader in (training, stranger):
            tree = reader.get(f"/api/models/{model['model_id']}/lineage")
            assert tree["root"] == root["model_id"]
            assert tree["path"] == path
            assert tree["complete"]
            assert [node["model"]["model_id"] for node in tree["nodes"]] == expected
    nodes = {node["model"]["model_id"]: node for node in tree["nodes"]}
    edge = nodes[leaf["model_id"]]
    assert edge["baseline_model_id"] == right["model_id"]
    assert edge["delta"]["accuracy"]["delta"] == 0.05
    assert edge["contributors"][0]["address"] == CHECKSUMMED
    assert edge["model"]["metrics"] == {"accuracy": 0.75}
    assert nodes[root["model_id"]]["baseline_model_id"] is None


def test_attestations_are_shown_with_the_model_and_in_its_lineage(training: Training) -> None:
    baseline = training.baseline(accuracy=0.85)
    model = improve(training, baseline)
    assert model["attestations"] == []
    attested = training.client.post(
        "/api/attestations",
        json={
            "baseline_model_id": baseline["model_id"],
            "improved_model_id": model["model_id"],
            "primary_metric": "accuracy",
        },
    )
    assert attested.status_code == 201, attested.text
    digest = attested.json()["hash"]
    assert attested.json()["data"]["contributors"] == model["contributors"]
    assert attested.json()["delta_one"] == 3
    assert training.get(f"/api/models/{model['model_id']}")["attestations"] == [digest]
    tree = training.get(f"/api/models/{model['model_id']}/lineage")
    assert [node["attestations"] for node in tree["nodes"]] == [[], [digest]]
    assert training.get(f"/api/contributors/{CHECKSUMMED}")["attestations"] >= 1
    named = training.get(f"/api/contributors/{CHECKSUMMED}/attestations?limit=1")["items"]
    assert [one["hash"] for one in named] == [digest]


def test_other_tenants_see_the_record_but_nothing_in_mlflow(
    training: Training, stranger: Training
) -> None:
    model = training.registered(
        "baseline",
        run_id=training.run(accuracy=0.5),
        model_type="c",
        metadata={"customers": "secret"},
    )
    seen = stranger.get(f"/api/models/{model['model_id']}")
    hidden = {"metadata", "tags", "warnings"}
    assert {name: seen[name] for name in seen if name not in hidden} == {
        name: model[name] for name in model if name not in hidden
    }
    assert (seen["metadata"], seen["tags"], seen["warnings"]) == ({}, {}, [])
    run = stranger.client.get(
        "/api/mlflow/api/2.0/mlflow/runs/get", params={"run_id": model["run_id"]}
    )
    assert run.status_code == 404


def test_a_private_baseline_is_visible_to_its_tenant_only(
    gateway: RunningGateway, training: Training, stranger: Training
) -> None:
    baseline = training.registered(
        "baseline", run_id=training.run(accuracy=0.5), model_type="c", private=True
    )
    assert baseline["private"]
    address = f"0x{secrets.token_hex(20)}"
    model = improve(training, baseline, contributor_address=address)
    assert model["private"], "an improvement would reveal the private model"
    with Training.of(gateway, training.tenant) as colleague:
        tree = colleague.get(f"/api/models/{model['model_id']}/lineage")
    assert len(tree["nodes"]) == 2
    for one in (baseline, model):
        for path in ("", "/lineage"):
            response = stranger.client.get(f"/api/models/{one['model_id']}{path}")
            assert (response.status_code, response.json()["reason"]) == (404, "not_found")
    absent = stranger.register(
        "improved",
        run_id=stranger.run(),
        baseline_model_id="hkm_absent",
        contributor_address=address,
    )
    refused = stranger.register(
        "improved",
        run_id=stranger.run(),
        baseline_model_id=baseline["model_id"],
        contributor_address=address,
    )
    assert refused.status_code == absent.status_code == 404
    message = refused.json()["message"].replace(baseline["model_id"], "hkm_absent")
    assert message == absent.json()["message"]
    seen = {one["model_id"] for one in stranger.models(tenant=training.tenant, limit=1000)}
    assert seen.isdisjoint({baseline["model_id"], model["model_id"]})
    assert stranger.client.get(f"/api/contributors/{address}").status_code == 404
    assert stranger.get(f"/api/contributors/{address}/contributions")["items"] == []
    assert training.get(f"/api/contributors/{address}")["contributions"] == 1


def test_a_lineage_has_a_bounded_length(gateway: RunningGateway, training: Training) -> None:
    baseline = training.baseline(accuracy=0.8)
    body = {
        "run_id": training.run(accuracy=0.9),
        "baseline_model_id": baseline["model_id"],
        "contributor_address": GUIDES_ADDRESS,
    }
    sql(
        gateway,
        "UPDATE models SET path = array_fill(%s::text, array[%s]) WHERE model_id = %s",
        "hkm_x",
        MAX_GENERATIONS,
        baseline["model_id"],
    )
    problem = refused(training.register("improved", **body), 422, "validation_failed")
    assert "may have 1000 one after the other" in problem["message"]
