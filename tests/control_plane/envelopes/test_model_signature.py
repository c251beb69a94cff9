"""Signatures of models over HTTP: checked by the program `model_signing` of OpenSSF."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hokusai.verify import Result, verify, verify_model_signature

from app.control_plane.envelopes.model_signature import model_statement
from app.control_plane.model_files.hashing import ModelFile, oms_root
from app.control_plane.model_files.service import ModelFiles
from app.control_plane.registry.models import Model
from app.standalone.mlflow import ChildMLflow
from tests.control_plane.envelopes.test_bundle import bundle_of, other_key
from tests.support import envelopes
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, wait_for
from tests.support.responses import good, refused
from tests.support.training import Training

# A directory whose files have another order as paths than as text, and names that are not plain.
FILES = {
    ".gitignore": b"*.tmp\n",
    "MLmodel": b"flavors: {}\n",
    "a-b": b"1",
    "a/b": b"2",
    "data/empty": b"",
    "data/model.pkl": bytes(range(256)) * 100,
    "with space/é+'.bin": b"odd",
}
# MLflow's client adds it where it downloads a registered model.
META = {"registered_model_meta": b"model_name: n\nmodel_version: '1'\n"}


@dataclass
class Signed:
    """A model that the gateway has read, and its signature."""

    training: Training
    model_id: str
    response: httpx.Response

    @property
    def bundle(self) -> dict[str, Any]:
        found: dict[str, Any] = good(self.response)
        return found


def signature_of(client: httpx.Client, model_id: str) -> httpx.Response:
    return client.get(f"/api/models/{model_id}/model.sig")


def registered(training: Training, **body: Any) -> dict[str, Any]:
    """A baseline whose files the gateway has read."""
    model = training.registered(
        "baseline", run_id=run_with(training, FILES), model_type="c", **body
    )
    wait_for(training.client, model, "witnessed")
    return model


@pytest.fixture(scope="module")
def training(gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def signed(training: Training) -> Signed:
    model_id = registered(training)["model_id"]
    return Signed(training, model_id, signature_of(training.client, model_id))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The model, as it was downloaded with MLflow's client."""
    return envelopes.write_model(tmp_path / "model", FILES | META)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    return directory


def test_the_program_of_openssf_accepts_a_downloaded_model(
    signed: Signed, model: Path, elsewhere: Path, pem: str
) -> None:
    done = envelopes.model_signing(model, signed.bundle, pem, elsewhere)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr
    headers = signed.response.headers
    assert headers["content-type"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert headers["content-disposition"] == 'attachment; filename="model.sig"'
    assert signature_of(signed.training.client, signed.model_id).content == signed.response.content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data/model.pkl": b"another"}, "Hash mismatch"),
        ({"data/more": b"x"}, "Extra files found"),
        ({"a-b": None}, "Missing files"),
        ({"MLmodel": None, "MLmodel/nested": b"flavors: {}\n"}, "Missing files"),
    ],
)
def test_it_refuses_a_model_that_was_changed(
    signed: Signed,
    tmp_path: Path,
    elsewhere: Path,
    pem: str,
    change: dict[str, bytes | None],
    words: str,
) -> None:
    kept = {name: content for name, content in (FILES | change).items() if content is not None}
    model = envelopes.write_model(tmp_path / "model", kept)
    done = envelopes.model_signing(model, signed.bundle, pem, elsewhere)
    assert done.returncode == 1
    assert words in done.stdout + done.stderr


def test_it_refuses_other_keys_signatures_and_statements(
    signed: Signed, model: Path, elsewhere: Path, pem: str
) -> None:
    attested = good(
        signed.training.client.post("/api/attestations", json={"model_id": signed.model_id}), 201
    )
    for bundle, key, words in (
        (signed.bundle, other_key(), "Key mismatch"),
        (envelopes.changed(signed.bundle), pem, ""),
        (good(bundle_of(signed.training.client, attested["hash"])), pem, "Predicate type mismatch"),
    ):
        done = envelopes.model_signing(model, bundle, key, elsewhere)
        assert done.returncode == 1
        assert words in done.stdout + done.stderr


def test_the_attestation_has_the_same_subject(signed: Signed, pem: str) -> None:
    """So that a policy can lead from a model's signature to what is attested of the model."""
    client = signed.training.client
    attested = good(client.post("/api/attestations", json={"model_id": signed.model_id}), 201)
    statement = envelopes.opened(signed.bundle, pem)
    (subject,) = statement["subject"]
    assert subject["digest"]["sha256"] == attested["data"]["files"]["sha256"]
    bundle = good(bundle_of(client, attested["hash"]))
    assert envelopes.opened(bundle, pem)["subject"][0] == subject
    assert statement["predicate"]["model_id"] == signed.model_id
    assert verify(attested, envelope_keys=pem, bundle=bundle)["bundle"].result is Result.HOLDS
    # Any tenant may give its model the same name.
    assert subject["name"].startswith(f"{signed.training.tenant}/")


def test_the_sdk_accepts_it_alone_and_with_the_attestation(
    signed: Signed, model: Path, tmp_path: Path, pem: str
) -> None:
    client = signed.training.client
    known = good(client.get("/.well-known/hokusai-attestor.json"))
    report = verify_model_signature(signed.response.content, known=known, model=model)
    assert report.complete, report.as_dict()
    changed = envelopes.write_model(tmp_path / "changed", FILES | {"a-b": b"another"})
    report = verify_model_signature(signed.bundle, envelope_keys=pem, model=changed)
    assert "a-b is different" in report["model"].detail
    attested = good(client.post("/api/attestations", json={"model_id": signed.model_id}), 201)
    stored = envelopes.write_model(tmp_path / "stored", FILES)
    both = verify(attested, known=known, model_signature=signed.bundle, model=stored)
    assert (both.ok, both["model_signature"].result) == (True, Result.HOLDS), both.as_dict()
    other_id = registered(signed.training)["model_id"]
    other = good(signature_of(client, other_id))
    found = verify(attested, known=known, model_signature=other)["model_signature"]
    assert (found.result, "another model" in found.detail) == (Result.FAILS, True)


def test_who_may_see_the_model_may_have_it(gateway: RunningGateway, training: Training) -> None:
    public, private = registered(training), registered(training, private=True)
    with gateway.client(gateway.key()) as stranger, gateway.client() as anyone:
        assert good(signature_of(stranger, public["model_id"]))
        refused(signature_of(stranger, private["model_id"]), 404, "not_found")
        refused(signature_of(stranger, "hkm_none"), 404, "not_found")
        refused(signature_of(anyone, public["model_id"]), 401, "credentials_missing")
    assert good(signature_of(training.client, private["model_id"]))


def test_a_withdrawn_model_is_not_signed(training: Training) -> None:
    model_id = registered(training)["model_id"]
    reason = {"reason": "It was a mistake."}
    good(training.client.post(f"/api/models/{model_id}/withdraw", json=reason))
    problem = refused(signature_of(training.client, model_id), 409, "model_withdrawn")
    assert "It was a mistake." in problem["message"]


def test_files_that_differ_are_not_signed(training: Training) -> None:
    claimed = listed(FILES | {"MLmodel": b"another"})
    run_id = run_with(training, FILES)
    model = training.registered("baseline", run_id=run_id, model_type="c", files=claimed)
    wait_for(training.client, model, "differs")
    refused(signature_of(training.client, model["model_id"]), 409, "files_differ")


def test_files_that_cannot_be_read_are_not_signed(training: Training) -> None:
    """A version whose source is neither a run nor a logged model."""
    run_id, name = training.run(None, accuracy=0.5), f"n-{secrets.token_hex(4)}"
    training.mlflow("registered-models/create", name=name)
    training.mlflow(
        "model-versions/create", name=name, source=f"runs:/{run_id}/model", run_id=run_id
    )
    model = training.registered("baseline", model_uri=f"models:/{name}/1", model_type="c")
    reason = wait_for(training.client, model, "failed")["reason"]
    problem = refused(signature_of(training.client, model["model_id"]), 409, "files_not_witnessed")
    assert reason in problem["message"]


def test_files_that_are_still_to_be_read_are_not_signed(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, model_files_readers=0) as unread,
        Training.of(unread) as training,
    ):
        for files in ({}, {"files": listed(FILES)}):
            run_id = training.run(accuracy=0.5)
            model = training.registered("baseline", run_id=run_id, model_type="c", **files)
            response = signature_of(training.client, model["model_id"])
            refused(response, 409, "files_pending")
            assert int(response.headers["retry-after"]) > 0


def test_a_file_of_the_name_that_mlflow_adds_is_signed_like_others() -> None:
    files = [ModelFile(name, 1, "11" * 32) for name in ("MLmodel", "registered_model_meta")]
    known = ModelFiles("witnessed", oms_root(files), None, None, 2, 2, None, None, files)
    row = Model(model_id="hkm_1", tenant="acme", mlflow_name="churn", mlflow_version="2")
    predicate = model_statement(row, known)["predicate"]
    assert [one["name"] for one in predicate["resources"]] == ["MLmodel", "registered_model_meta"]
    assert "registered_model_meta" not in predicate["serialization"]["ignore_paths"]
