"""Attestations of the kind `proven`, over HTTP."""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hokusai.zk import groth16
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.proof import Proof

from tests.support.benchmarks import commit, new_benchmark
from tests.support.circuit_keys import CAPACITY, CircuitKeys, shared_keys
from tests.support.gateway import RunningGateway
from tests.support.proving import BASELINE, IMPROVED, LABELS, Improvement
from tests.support.responses import good, refused
from tests.support.training import Training


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> CircuitKeys:
    return shared_keys(tmp_path_factory)


@pytest.fixture(scope="module")
def proving_gateway(
    new_database: Callable[[], str], mlflow_server: Any, keys: CircuitKeys
) -> Iterator[RunningGateway]:
    with RunningGateway(
        new_database(), mlflow_server.url, proof_keys=keys.directory, model_files_readers=1
    ) as running:
        yield running


@pytest.fixture(scope="module")
def prover(proving_gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(proving_gateway) as made:
        yield made


@pytest.fixture(scope="module")
def improvement(prover: Training, keys: CircuitKeys) -> Improvement:
    return Improvement(prover, keys).commit_predictions()


@pytest.fixture(scope="module")
def proof(improvement: Improvement) -> dict[str, Any]:
    return improvement.prove()


@pytest.fixture(scope="module")
def proven(improvement: Improvement, proof: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = good(attest(improvement, proof), 201)
    return found


def attest(improvement: Improvement, proof: dict[str, Any], **members: Any) -> httpx.Response:
    body = improvement.request(proof, **members)
    return improvement.training.client.post("/api/attestations", json=body)


def test_a_proven_improvement_has_its_counts_and_its_proof(
    proven: dict[str, Any], proof: dict[str, Any], improvement: Improvement
) -> None:
    data = proven["data"]
    assert (proven["kind"], data["kind"], data["evaluation"]["source"]) == ("proven",) * 3
    assert data["evaluation"]["baseline"] == {"successes": 5, "sample_size": 8}
    assert data["evaluation"]["improved"] == {"successes": 7, "sample_size": 8}
    assert data["evaluation"]["discordant"] == {"baseline_only": 1, "improved_only": 3}
    document = proven["proof"]
    assert {name: document[name] for name in proof} == proof
    text = json.dumps(document, sort_keys=True)
    assert data["proof_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    Proof.from_json(document).check({improvement.key.circuit}, improvement.binding())


def test_it_is_listed_shown_and_verified(improvement: Improvement, proven: dict[str, Any]) -> None:
    client = improvement.training.client
    listed = good(client.get("/api/attestations", params={"kind": "proven"}))["items"]
    assert [one["hash"] for one in listed] == [proven["hash"]]
    shown = good(client.get(f"/api/attestations/{proven['hash']}"))
    assert shown["proof"] == proven["proof"]
    assert good(client.post("/api/attestations/verify", json=shown))["valid"]
    page = client.get(f"/attestations/{proven['hash']}").text
    assert "Counts proven on 8 rows" in page
    for wrong in (None, {**shown["proof"], "setup": "ceremony:" + "0" * 64}):
        checked = good(client.post("/api/attestations/verify", json={**shown, "proof": wrong}))
        assert not checked["checks"]["hash"]["ok"]


def test_an_attestation_without_a_proof_has_none(improvement: Improvement) -> None:
    client = improvement.training.client
    made = good(
        client.post("/api/attestations", json={"model_id": improvement.improved["model_id"]}), 201
    )
    assert made["proof"] is None
    assert made["data"]["proof_sha256"] is None
    checked = client.post("/api/attestations/verify", json={**made, "proof": {"public": []}})
    assert not good(checked)["checks"]["hash"]["ok"]


def test_a_changed_copy_of_a_proof_gets_the_same_attestation(
    improvement: Improvement, proof: dict[str, Any], proven: dict[str, Any]
) -> None:
    changed = copy.deepcopy(proof)
    points = groth16.Points.from_json(proof["proof"])
    changed["proof"] = groth16.rerandomize(improvement.key, points).as_json()
    assert changed != proof
    again = good(attest(improvement, changed), 201)
    assert again["hash"] == proven["hash"]
    assert again["proof"] == proven["proof"]


def test_the_binding_changes_with_the_models(improvement: Improvement) -> None:
    ids = improvement.ids
    found = good(improvement.get_binding())
    assert found["parts"]["benchmark_id"] == ids["benchmark_id"]
    assert found["parts"]["baseline"]["model_id"] == ids["baseline_model_id"]
    assert found["parts"]["improved"]["model_id"] == ids["improved_model_id"]
    # The baseline is by default that of the registration.
    path = f"/api/benchmarks/{ids['benchmark_id']}/binding"
    client = improvement.training.client
    assert good(client.get(f"{path}/{ids['improved_model_id']}")) == found
    other = improvement.get_binding(baseline_model_id=ids["improved_model_id"])
    assert good(other)["binding"] != found["binding"]
    alone = client.get(f"{path}/{ids['baseline_model_id']}")
    assert "improves on no model" in refused(alone, 422, "validation_failed")["message"]
    for name in ids:
        refused(improvement.get_binding(**{name: "none"}), 404, "not_found")


def test_circuits_are_listed_and_their_proving_keys_downloaded(
    improvement: Improvement, keys: CircuitKeys
) -> None:
    client, key = improvement.training.client, improvement.key
    (listed,) = good(client.get("/api/proofs/circuits"))["items"]
    assert (listed["circuit"], listed["capacity"]) == (key.circuit, CAPACITY)
    assert VerifyingKey.from_json(listed["verifying_key"]) == key
    content = client.get(listed["proving_key"])
    assert content.content == keys.proving.read_bytes()
    assert "immutable" in content.headers["cache-control"]
    nowhere = client.get(f"/api/proofs/circuits/{'0' * 64}/proving-key")
    refused(nowhere, 404, "not_found")


def changed_public(place: int, change: int) -> Callable[[dict[str, Any]], None]:
    def change_it(proof: dict[str, Any]) -> None:
        proof["public"][place] = str(int(proof["public"][place]) + change)

    return change_it


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed_public(0, 1), "do not add up"),
        (changed_public(8, 1), "do not add up"),
        (lambda proof: proof["public"].__setitem__(0, "9" * 76), "do not add up"),
        (lambda proof: proof.update(public=["0"] * 13), "do not add up"),
        (lambda proof: proof.update(public=["9", *["0"] * 7, "9", *["0"] * 4]), "do not add up"),
        (changed_public(9, 1), "the benchmark's commitment to its labels"),
        (changed_public(10, 1), "predictions of the baseline"),
        (changed_public(11, 1), "predictions of the improved model"),
        (changed_public(12, 1), "the hash of what is attested"),
        (lambda proof: proof["public"].pop(), "has 13 public inputs"),
        (lambda proof: proof.update(circuit="0" * 64), "does not know the circuit"),
        (lambda proof: proof.update(setup="ceremony:" + "0" * 64), "the setup operator"),
        (lambda proof: proof.update(statement="agreement"), "has the statement cells"),
        (lambda proof: proof["proof"].update(pi_a=["1", "2", "1"]), "does not hold"),
        (lambda proof: proof["proof"].update(pi_a=["1", "1", "1"]), "does not hold"),
        (lambda proof: proof["proof"].update(pi_c=["0", "0", "0"]), "does not hold"),
        (
            lambda proof: proof["proof"].update(pi_b=[["1", "0"], ["1", "0"], ["1", "0"]]),
            "does not hold",
        ),
    ],
)
def test_a_proof_of_something_else_is_refused(
    improvement: Improvement,
    proof: dict[str, Any],
    change: Callable[[dict[str, Any]], object],
    reason: str,
) -> None:
    wrong = copy.deepcopy(proof)
    change(wrong)
    # With a key of its own, since a proof with other points alone would be the same request.
    response = improvement.training.client.post(
        "/api/attestations",
        json=improvement.request(wrong),
        headers={"Idempotency-Key": f"refused-{reason}"},
    )
    assert reason in refused(response, 422, "proof_refused")["message"]


def test_counts_that_are_not_those_of_the_metric_are_refused(
    improvement: Improvement, proof: dict[str, Any]
) -> None:
    wrong = copy.deepcopy(proof)
    changed_public(0, -1)(wrong)
    changed_public(1, 1)(wrong)
    response = attest(improvement, wrong)
    assert (
        "6 of 8 is not the attested accuracy"
        in refused(response, 422, "validation_failed")["message"]
    )
    other = {
        "baseline": {"successes": 5, "sample_size": 8},
        "improved": {"successes": 7, "sample_size": 8},
    }
    response = attest(improvement, proof, evaluation=other)
    assert "shows other counts" in refused(response, 422, "proof_refused")["message"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"kind": "claimed", "metrics": {"accuracy": 1}}, "is of the kind `proven`"),
        ({"kind": "witnessed"}, "is of the kind `proven`"),
        ({"kind": "proven", "proof": None, "benchmark_id": None}, "needs a proof"),
        ({"benchmark_id": None}, "together"),
        ({"proof": {"system": "groth16-bn254"}}, "circuit"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    improvement: Improvement, proof: dict[str, Any], members: dict[str, Any], reason: str
) -> None:
    body = improvement.request(proof) | members
    response = improvement.training.client.post("/api/attestations", json=body)
    assert reason in refused(response, 422, "validation_failed")["message"]


@pytest.mark.parametrize(
    "number", ["01", "-1", "0x1", "1.0", "", " 1", "9" * 78, "\u0661", 1, None]
)
def test_public_inputs_have_one_form(
    improvement: Improvement, proof: dict[str, Any], number: object
) -> None:
    wrong = copy.deepcopy(proof)
    wrong["public"][0] = number
    refused(attest(improvement, wrong), 422, "validation_failed")


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof.update(verifying_key={}),
        lambda proof: proof["proof"].update(pi_d=["1", "2", "1"]),
        lambda proof: proof["proof"].update(curve="bls12381"),
        lambda proof: proof["proof"].update(pi_b=[["1"] * 3] * 3),
        lambda proof: proof["proof"].update(pi_a=["9" * 78, "2", "1"]),
        lambda proof: proof.update(public=["0"] * 14),
        lambda proof: proof.update(circuit=proof["circuit"].upper()),
    ],
)
def test_a_proof_has_one_form(
    improvement: Improvement, proof: dict[str, Any], change: Callable[[dict[str, Any]], object]
) -> None:
    wrong = copy.deepcopy(proof)
    change(wrong)
    refused(attest(improvement, wrong), 422, "validation_failed")


def test_a_member_that_is_there_twice_is_refused(
    improvement: Improvement, proof: dict[str, Any]
) -> None:
    text = json.dumps(improvement.request(proof))
    twice = text.replace('"system":', '"public": [], "system":')
    response = improvement.training.client.post(
        "/api/attestations", content=twice, headers={"Content-Type": "application/json"}
    )
    assert "twice" in refused(response, 400, "invalid_parameter")["message"]


def test_the_proof_of_one_benchmark_is_not_one_of_another(
    improvement: Improvement, proof: dict[str, Any]
) -> None:
    """Although the commitments are the same: everybody can read them."""
    client = improvement.training.client
    again = new_benchmark(
        client, rows=CAPACITY, label_commitment=improvement.commitment("labels", LABELS, 0)
    )
    for model, values, salt in (
        (improvement.baseline, BASELINE, 1),
        (improvement.improved, IMPROVED, 2),
    ):
        value = improvement.commitment("predictions", values, salt)
        good(commit(client, again["benchmark_id"], model["model_id"], value), 201)
    response = attest(improvement, proof, benchmark_id=again["benchmark_id"])
    assert "the hash of what is attested" in refused(response, 422, "proof_refused")["message"]


def test_points_that_do_not_hold_do_not_stand_in_the_way_of_those_that_do(
    prover: Training, keys: CircuitKeys
) -> None:
    """Both are the same request, of which only what succeeded is kept."""
    made = Improvement(prover, keys).commit_predictions()
    proof = made.prove()
    wrong = copy.deepcopy(proof)
    wrong["proof"]["pi_a"] = ["1", "2", "1"]
    refused(attest(made, wrong), 422, "proof_refused")
    assert good(attest(made, proof), 201)["proof"]["proof"] == proof["proof"]


def test_without_committed_predictions_a_proof_is_refused(
    prover: Training, keys: CircuitKeys
) -> None:
    made = Improvement(prover, keys)
    proof = made.prove()
    refused(attest(made, proof), 409, "predictions_missing")
    made.commit_predictions()
    good(attest(made, proof), 201)


def test_a_proof_for_labels_that_were_chosen_afterwards_is_refused(
    improvement: Improvement,
) -> None:
    """The counts are the same, since two rows with equal predictions exchange their labels."""
    labels = [*LABELS]
    labels[1], labels[3] = labels[3], labels[1]
    other = improvement.prove(labels=labels)
    response = attest(improvement, other)
    assert response.status_code == 422
    assert response.json()["reason"] in ("proof_refused", "validation_failed")
