"""Bills of materials over HTTP: valid by the schema of CycloneDX 1.6, and what they say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from app.control_plane.attestations.schemas import EvidenceKind
from app.control_plane.envelopes import mlbom
from tests.control_plane.envelopes.test_model_signature import FILES, registered
from tests.support.attesting import CONTRIBUTOR
from tests.support.benchmarks import counts, new_benchmark, register_improved
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, wait_for
from tests.support.responses import good, refused
from tests.support.training import Training

SCHEMAS = Path(__file__).parent / "cyclonedx"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    """Of the official schema, which refers to two others."""
    documents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")}
    assert len(documents) == 3
    resources = [Resource.from_contents(one) for one in documents.values()]
    found = Registry().with_resources((str(one.id()), one) for one in resources)
    formats = Draft7Validator.FORMAT_CHECKER
    return Draft7Validator(documents["bom-1.6.schema.json"], registry=found, format_checker=formats)


@pytest.fixture(scope="module")
def training(gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def baseline(training: Training) -> dict[str, Any]:
    return registered(training)


@pytest.fixture(scope="module")
def improved(training: Training, baseline: dict[str, Any]) -> dict[str, Any]:
    """An improvement with two contributors, which is attested."""
    model = training.registered(
        "improved",
        run_id=run_with(training, FILES),
        baseline_model_id=baseline["model_id"],
        data_contribution=[
            {"contributor": CONTRIBUTOR, "data_size": 5000, "data_hash": "ab" * 32},
            {"contributor": "0x" + "11" * 20, "note": "only its own tenant may read this"},
        ],
    )
    wait_for(training.client, model, "witnessed")
    good(training.client.post("/api/attestations", json={"model_id": model["model_id"]}), 201)
    return model


def bom_of(client: httpx.Client, model: dict[str, Any]) -> dict[str, Any]:
    response = client.get(f"/api/models/{model['model_id']}/mlbom.json")
    found: dict[str, Any] = good(response)
    assert response.headers["content-type"] == "application/vnd.cyclonedx+json"
    assert response.headers["content-disposition"] == 'attachment; filename="mlbom.json"'
    return found


def properties(part: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in part["properties"]}


def test_it_is_valid_by_the_official_schema(
    validator: Draft7Validator,
    training: Training,
    baseline: dict[str, Any],
    improved: dict[str, Any],
) -> None:
    run_id = training.run(accuracy=0.5)
    claimed = training.registered(
        "baseline", run_id=run_id, model_type="c", files=listed({"MLmodel": b"another"})
    )
    tokenized = training.registered(
        "tokenized",
        run_id=training.run(accuracy=0.5),
        token_id="BOM",
        model_name="m",
        metric_name="accuracy",
        baseline_value=0.5,
    )
    for model in (baseline, improved, claimed, tokenized):
        bom = bom_of(training.client, model)
        assert [error.message for error in validator.iter_errors(bom)] == []
        references = [one["bom-ref"] for one in found_parts(bom) if "bom-ref" in one]
        assert len(references) == len(set(references)), "each reference is used once"
    # The validator finds what is wrong.
    for wrong in (
        bom | {"specVersion": 1.6},
        bom | {"metadata": {"timestamp": "yesterday"}},
        bom | {"components": [{"type": "model", "name": "m"}]},
    ):
        assert not validator.is_valid(wrong)


def found_parts(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from found_parts(inner)


def test_it_has_the_files_metrics_data_and_attestations(
    training: Training, baseline: dict[str, Any], improved: dict[str, Any]
) -> None:
    bom = bom_of(training.client, improved)
    component = bom["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    assert (component["name"], component["version"]) == (
        improved["mlflow_name"],
        improved["mlflow_version"],
    )
    files = good(training.client.get(f"/api/models/{improved['model_id']}/files"))
    assert properties(component)["hokusai:files:sha256"] == files["sha256"]
    assert [(one["name"], one["hashes"][0]["content"]) for one in bom["components"]] == [
        (one["path"], one["sha256"]) for one in files["items"]
    ]
    assert bom["compositions"] == [{"aggregate": "complete", "assemblies": ["model"]}]
    (ancestor,) = component["pedigree"]["ancestors"]
    assert properties(ancestor)["hokusai:model_id"] == baseline["model_id"]
    card = component["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "accuracy", "value": "0.5"}
    ]
    assert properties(card)["hokusai:metric:accuracy:evidence"] == "witnessed"
    first, second = card["modelParameters"]["datasets"]
    assert properties(first["contents"])["hokusai:data_hash"] == "ab" * 32
    assert "0x" + "11" * 20 in second["name"]
    assert "only its own tenant" not in json.dumps(bom)


def test_the_test_set_of_a_benchmark_is_among_the_data(
    validator: Draft7Validator, training: Training
) -> None:
    benchmark = new_benchmark(training.client)
    evaluated = {"benchmark_id": benchmark["benchmark_id"], "evaluation": counts(850, 880)}
    first = training.baseline(accuracy=0.85)
    model = good(register_improved(training, first, **evaluated), 201)
    bom = bom_of(training.client, model)
    assert [error.message for error in validator.iter_errors(bom)] == []
    *_, test_set = bom["metadata"]["component"]["modelCard"]["modelParameters"]["datasets"]
    assert test_set["name"] == benchmark["name"]
    assert properties(test_set["contents"]) == {
        "hokusai:benchmark_id": benchmark["benchmark_id"],
        "hokusai:dataset_hash": benchmark["dataset_hash"],
        "hokusai:rows": "1000",
    }


def test_what_it_refers_to_can_be_fetched(training: Training, improved: dict[str, Any]) -> None:
    bom = bom_of(training.client, improved)
    signature, attestation = bom["metadata"]["component"]["externalReferences"]
    assert signature["type"] == "digital-signature"
    assert good(training.client.get(signature["url"]))
    assert attestation["type"] == "attestation"
    content = training.client.get(attestation["url"]).content
    (digest,) = attestation["hashes"]
    assert digest["content"] in training.get(f"/api/models/{improved['model_id']}")["attestations"]
    assert json.loads(content)["model_id"] == improved["model_id"]
    (evidence,) = bom["declarations"]["evidence"]
    assert good(training.client.get(evidence["data"][0]["contents"]["url"]))["hash"]
    (claim,) = bom["declarations"]["claims"]
    assert claim["evidence"] == [evidence["bom-ref"]]


def test_it_shows_what_the_reader_may_see(gateway: RunningGateway, training: Training) -> None:
    hidden = training.registered(
        "baseline", run_id=training.run(accuracy=0.5), model_type="c", private=True
    )
    attested = {"model_id": hidden["model_id"]}
    good(training.client.post("/api/attestations", json=attested), 201)
    assert bom_of(training.client, hidden)["declarations"]
    with gateway.client(gateway.key()) as stranger:
        path = f"/api/models/{hidden['model_id']}/mlbom.json"
        refused(stranger.get(path), 404, "not_found")
        refused(stranger.get("/api/models/hkm_none/mlbom.json"), 404, "not_found")
        public = training.registered("baseline", run_id=training.run(accuracy=0.5), model_type="c")
        private_attestation = {"model_id": public["model_id"], "private": True}
        good(training.client.post("/api/attestations", json=private_attestation), 201)
        assert "declarations" not in bom_of(stranger, public)
        assert bom_of(training.client, public)["declarations"]


def test_each_kind_of_evidence_is_described() -> None:
    assert set(mlbom.EVIDENCE) == set(get_args(EvidenceKind))
