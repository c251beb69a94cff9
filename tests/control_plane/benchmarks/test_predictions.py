"""Commitments to predictions over HTTP: by whom, how often, and in which order."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.benchmarks import commit, commitment, new_benchmark, register_benchmark
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training


@pytest.fixture(scope="module")
def benchmark(training: Training) -> dict[str, Any]:
    return new_benchmark(training.client)


@pytest.fixture(scope="module")
def evaluator(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant that has a benchmark of its own, and no models."""
    with Training.of(gateway) as made:
        yield made


def test_a_commitment_is_logged(training: Training, benchmark: dict[str, Any]) -> None:
    model, value = training.baseline(accuracy=0.85), commitment()
    made = good(commit(training.client, benchmark["benchmark_id"], model["model_id"], value), 201)
    assert (made["model_id"], made["commitment"]) == (model["model_id"], value)
    assert made["record_sha256"] == hashlib.sha256(made["record"].encode()).hexdigest()
    assert json.loads(made["record"])["commitment"] == value
    page = good(
        training.client.get(
            "/api/attestations/log/entries", params={"start": made["log_index"], "limit": 1}
        )
    )
    entry = json.loads(page["entries"][0]["entry"])
    assert (entry["kind"], entry["subject"]) == ("predictions", made["predictions_id"])
    assert entry["benchmark"] == benchmark["benchmark_id"]
    assert entry["record_sha256"] == made["record_sha256"]
    assert benchmark["log_index"] < made["log_index"]


def test_there_is_one_commitment_for_ever(training: Training, benchmark: dict[str, Any]) -> None:
    model_id = training.baseline(accuracy=0.85)["model_id"]
    first = commit(training.client, benchmark["benchmark_id"], model_id)
    value = good(first, 201)["commitment"]
    again = commit(training.client, benchmark["benchmark_id"], model_id, value)
    assert good(again, 201) == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = commit(training.client, benchmark["benchmark_id"], model_id)
    assert str(first.json()["log_index"]) in refused(other, 409, "committed_otherwise")["message"]
    # Another benchmark is another matter.
    good(commit(training.client, new_benchmark(training.client)["benchmark_id"], model_id), 201)


def test_registering_a_model_anew_does_not_change_what_it_predicted(
    training: Training, benchmark: dict[str, Any]
) -> None:
    body = {"run_id": training.run(accuracy=0.85), "model_type": "classification"}
    model_id = training.registered("baseline", **body)["model_id"]
    value = good(commit(training.client, benchmark["benchmark_id"], model_id), 201)["commitment"]
    withdrawn = training.client.post(f"/api/models/{model_id}/withdraw", json={"reason": "shares"})
    assert withdrawn.status_code == 200
    refused(commit(training.client, benchmark["benchmark_id"], model_id), 409, "model_withdrawn")
    anew = training.registered("baseline", **body)["model_id"]
    assert anew != model_id
    refused(commit(training.client, benchmark["benchmark_id"], anew), 409, "committed_otherwise")
    good(commit(training.client, benchmark["benchmark_id"], anew, value), 201)


def test_a_copied_commitment_is_refused(
    training: Training, stranger: Training, benchmark: dict[str, Any]
) -> None:
    model_id = training.baseline(accuracy=0.85)["model_id"]
    value = good(commit(training.client, benchmark["benchmark_id"], model_id), 201)["commitment"]
    copier = stranger.baseline(accuracy=0.85)["model_id"]
    copied = commit(stranger.client, benchmark["benchmark_id"], copier, value)
    refused(copied, 409, "committed_otherwise")


def test_only_the_tenant_of_a_model_commits_for_it(
    training: Training, stranger: Training, benchmark: dict[str, Any]
) -> None:
    model_id = training.baseline(accuracy=0.85)["model_id"]
    refused(commit(stranger.client, benchmark["benchmark_id"], model_id), 403, "permission_denied")
    private = training.registered(
        "baseline", run_id=training.run(accuracy=0.8), model_type="m", private=True
    )["model_id"]
    refused(commit(stranger.client, benchmark["benchmark_id"], private), 404, "not_found")
    refused(commit(stranger.client, benchmark["benchmark_id"], "hkm_none"), 404, "not_found")
    refused(commit(training.client, "hkb_none", model_id), 404, "not_found")


def test_a_private_benchmark_is_for_its_tenant(training: Training, stranger: Training) -> None:
    hidden = new_benchmark(training.client, private=True)["benchmark_id"]
    model_id = stranger.baseline(accuracy=0.85)["model_id"]
    refused(commit(stranger.client, hidden, model_id), 404, "not_found")
    own = training.baseline(accuracy=0.85)["model_id"]
    assert good(commit(training.client, hidden, own), 201)["private"] is True


def test_after_the_release_of_the_labels_nothing_is_committed(
    training: Training, evaluator: Training
) -> None:
    benchmark_id = new_benchmark(evaluator.client)["benchmark_id"]
    before, after = (training.baseline(accuracy=0.85)["model_id"] for _ in range(2))
    early = good(commit(training.client, benchmark_id, before), 201)
    released = good(evaluator.client.post(f"/api/benchmarks/{benchmark_id}/release-labels"))
    assert early["log_index"] < released["log_index"]
    refused(commit(training.client, benchmark_id, after), 409, "labels_released")
    # The same commitment again is still the same.
    assert good(commit(training.client, benchmark_id, before, early["commitment"]), 201) == early


def test_labels_that_were_released_with_one_benchmark_are_released_with_all(
    training: Training, evaluator: Training
) -> None:
    """Equal commitments have equal labels."""
    labels = commitment()
    first, second = (
        new_benchmark(evaluator.client, label_commitment=labels)["benchmark_id"] for _ in range(2)
    )
    model_id = training.baseline(accuracy=0.85)["model_id"]
    good(evaluator.client.post(f"/api/benchmarks/{first}/release-labels"))
    problem = refused(commit(training.client, second, model_id), 409, "labels_released")
    assert f"released with {first}" in problem["message"]
    again = register_benchmark(evaluator.client, label_commitment=labels)
    assert first in refused(again, 409, "labels_released")["message"]
    # With another salt nothing shows that they are the same.
    good(commit(training.client, new_benchmark(evaluator.client)["benchmark_id"], model_id), 201)


def test_the_labels_of_another_tenant_cannot_be_copied(
    training: Training, evaluator: Training
) -> None:
    """Else the copier's release would end the commitments of the holder's benchmark."""
    labels = commitment()
    new_benchmark(evaluator.client, label_commitment=labels)
    copied = register_benchmark(training.client, label_commitment=labels)
    assert "salt of your own" in refused(copied, 409, "conflict")["message"]


def test_the_commitment_to_the_labels_is_none_to_predictions(
    training: Training, benchmark: dict[str, Any]
) -> None:
    model_id = training.baseline(accuracy=0.85)["model_id"]
    response = commit(
        training.client, benchmark["benchmark_id"], model_id, benchmark["label_commitment"]
    )
    assert "to the labels" in refused(response, 422, "validation_failed")["message"]


def test_simultaneous_commitments_of_a_model_leave_one(training: Training) -> None:
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    model_id = training.baseline(accuracy=0.85)["model_id"]
    with ThreadPoolExecutor(6) as pool:
        responses = list(
            pool.map(lambda _: commit(training.client, benchmark_id, model_id), range(6))
        )
    assert sorted(response.status_code for response in responses) == [201, *[409] * 5]


def test_the_list_shows_private_models_to_their_tenant(
    training: Training, stranger: Training
) -> None:
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    public = training.baseline(accuracy=0.85)["model_id"]
    private = training.registered(
        "baseline", run_id=training.run(accuracy=0.8), model_type="m", private=True
    )["model_id"]
    for model_id in (public, private):
        good(commit(training.client, benchmark_id, model_id), 201)

    def listed(reader: Training, **conditions: Any) -> list[str]:
        path = f"/api/benchmarks/{benchmark_id}/predictions"
        page = good(reader.client.get(path, params=conditions))
        return [one["model_id"] for one in page["items"]]

    assert listed(training) == [private, public]
    assert listed(stranger) == [public]
    assert listed(training, model_id=public) == [public]
    assert listed(stranger, model_id=private) == []
    assert listed(training, limit=1) == [private]


@pytest.mark.parametrize(
    "members", [{"commitment": "00" * 32}, {"commitment": "ff" * 32}, {"commitment": "1f"}]
)
def test_what_is_no_commitment_is_refused(
    training: Training, benchmark: dict[str, Any], members: dict[str, Any]
) -> None:
    body = {"model_id": "hkm_any", **members}
    response = training.client.post(
        f"/api/benchmarks/{benchmark['benchmark_id']}/predictions", json=body
    )
    assert "commitment" in refused(response, 422, "validation_failed")["message"]
