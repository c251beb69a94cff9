"""Names of metrics that people cannot tell apart, and too many of them, are refused."""

from typing import Any

import httpx
import pytest

from app.control_plane.contributors.shares import MAX_LEVELS
from app.control_plane.registry.metric_names import MAX_METRICS, check_metric_names
from app.rest.json_values import MAX_DOCUMENT
from tests.support.responses import good, refused
from tests.support.training import Training

FULL_WIDTH = "\uff41ccuracy"
ALIKE = [
    ("accuracy", FULL_WIDTH),
    ("accuracy", "Accuracy"),
    ("caf\u00e9", "cafe\u0301"),
    ("f1", "f\u00b9"),
    ("top 5", "top\u00a05"),
    ("\ufb01t", "fit"),
    ("stra\u00dfe", "STRASSE"),
]
INVISIBLE = ["accu\u200bracy", "accuracy\u2060", "\u202eaccuracy", "a\ufe0f", "a\u3164", "a\u00ad"]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_names_that_look_the_same_are_refused(one: str, other: str) -> None:
    with pytest.raises(ValueError, match="look the same"):
        check_metric_names([one, "loss", other])


@pytest.mark.parametrize("name", INVISIBLE)
def test_a_name_with_invisible_characters_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="invisible"):
        check_metric_names([name])


def test_other_names_are_accepted() -> None:
    names = [
        "accuracy",
        "accuracy_",
        "f1",
        "f_1",
        "ünï",
        "精度",
        "précision",
        "system/cpu %",
        "a b",
    ]
    check_metric_names(names)
    check_metric_names(str(number) for number in range(MAX_METRICS))


@pytest.mark.parametrize("place", ["metrics", "metadata", "metadata.metrics"])
def test_a_registration_with_them_is_refused(training: Training, place: str) -> None:
    metrics = {"accuracy": 0.8, FULL_WIDTH: 0.9}
    forms: dict[str, dict[str, Any]] = {
        "metrics": {"metrics": metrics},
        "metadata": {"metadata": metrics},
        "metadata.metrics": {"metadata": {"metrics": metrics}},
    }
    run = training.run()
    response = training.register("baseline", run_id=run, model_type="c", **forms[place])
    message = refused(response, 422, "validation_failed")["message"]
    assert "look the same: keep one" in message
    assert "'accuracy' and '\\uff41ccuracy'" in message


def test_those_of_a_run_are_refused_until_some_are_chosen(training: Training) -> None:
    run = training.run(loss=0.5, Loss=0.4)
    response = training.register("baseline", run_id=run, model_type="c")
    message = refused(response, 422, "validation_failed")["message"]
    assert message.endswith("Give those to use as `metrics`.")
    training.registered("baseline", run_id=run, model_type="c", metrics={"loss": 0.5})


def test_an_attestation_of_them_is_refused(training: Training) -> None:
    body = {"kind": "claimed", "primary_metric": "accuracy"}
    for metrics in (
        {"accuracy": 0.8, FULL_WIDTH: 0.9},
        {"baseline": {"accuracy": 0.8}, "improved": {"accuracy": 0.9, FULL_WIDTH: 0.9}},
        # One in each of the two models.
        {"baseline": {"accuracy": 0.8, "auc": 0.1}, "improved": {"accuracy": 0.9, "AUC": 0.9}},
    ):
        response = training.client.post("/api/attestations", json={**body, "metrics": metrics})
        assert "look the same" in refused(response, 422, "validation_failed")["message"]


def test_metadata_has_a_bound(training: Training) -> None:
    run = training.run(a=1)
    text = "x" * (MAX_DOCUMENT - len('{"a":""}'))
    model = training.registered("baseline", run_id=run, model_type="c", metadata={"a": text})
    assert model["metadata"] == {"a": text}
    response = training.register("baseline", run_id=run, model_type="c", metadata={"a": f"{text}x"})
    message = refused(response, 422, "validation_failed")["message"]
    assert message == f"body.metadata: must have at most 64 KiB, and has {MAX_DOCUMENT + 1:,} bytes"


@pytest.mark.parametrize("size", [16 * 1024, 16 * 1024 + 1])
def test_details_of_a_contribution_have_a_bound(training: Training, size: int) -> None:
    baseline = training.baseline(a=1)
    response = training.register(
        "improved",
        run_id=training.run(a=2),
        baseline_model_id=baseline["model_id"],
        contributor_address="0x" + "1" * 40,
        data_contribution={"note": "x" * (size - len('{"note":""}'))},
    )
    if size <= 16 * 1024:
        assert response.status_code == 201, response.text
    else:
        message = refused(response, 422, "validation_failed")["message"]
        assert message == "data_contribution: must have at most 16 KiB, and has 16,385 bytes."


def test_details_that_can_be_registered_can_be_attested(training: Training) -> None:
    """An attestation has them some levels deeper."""
    baseline = training.baseline(a=1)
    deep: Any = 1
    for _ in range(MAX_LEVELS - 2):
        deep = [deep]

    def register(note: Any) -> httpx.Response:
        return training.register(
            "improved",
            run_id=training.run(a=2),
            baseline_model_id=baseline["model_id"],
            data_contribution={"contributor": "0x" + "1" * 40, "note": note},
        )

    model_id = good(register(deep), 201)["model_id"]
    data = good(training.client.post("/api/attestations", json={"model_id": model_id}), 201)["data"]
    assert data["contributors"][0]["details"] == {"note": deep}
    message = refused(register([deep]), 422, "validation_failed")["message"]
    assert "more than 29 levels deep" in message


def test_details_of_all_contributions_have_a_bound(training: Training) -> None:
    body = {
        "kind": "claimed",
        "metrics": {"a": 1},
        "data_contribution": [
            {"contributor": "0x" + "1" * 40, "data_hash": str(number), "note": "x" * 1000}
            for number in range(80)
        ],
    }
    response = training.client.post("/api/attestations", json=body)
    assert "64 KiB are kept" in refused(response, 422, "validation_failed")["message"]
