"""The files that a registration lists: what is accepted, and what an attestation says."""

import unicodedata
from hashlib import sha256
from typing import Any

import pytest

from app.control_plane.model_files.hashing import ModelFile, list_digest, oms_root, weights_root
from tests.support.responses import good
from tests.support.training import Training


def entry(path: str, content: bytes = b"x") -> dict[str, Any]:
    return {"path": path, "size": len(content), "sha256": sha256(content).hexdigest()}


LISTED = [entry("MLmodel", b"flavors: {}\n"), entry("data/model.pkl", b"abc"), entry("empty", b"")]


def test_listed_files_are_claimed_and_attested_as_such(training: Training) -> None:
    model = training.registered(
        "baseline", run_id=training.run(accuracy=0.5), model_type="c", files=LISTED
    )
    assert (model["files"], model["share_files"]) == ("claimed", False)
    assert training.get(f"/api/models/{model['model_id']}") == model
    body = {"improved_model_id": model["model_id"]}
    data = good(training.client.post("/api/attestations", json=body), 201)["data"]
    files = [ModelFile(**one) for one in LISTED]
    assert data["files"] == {
        "evidence": "claimed",
        "sha256": oms_root(files),
        "sha256_merkle_v1": weights_root(files),
        "list_sha256": list_digest(files),
        "count": 3,
        "bytes": 15,
    }
    assert data["baseline"] is None


def test_without_a_list_the_files_are_pending_and_not_attested(training: Training) -> None:
    model = training.baseline(accuracy=0.5)
    assert model["files"] == "pending"
    body = {"improved_model_id": model["model_id"]}
    data = good(training.client.post("/api/attestations", json=body), 201)["data"]
    assert data["files"] is None


LONG = "/".join(["x" * 200] * 6)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "1 to 4000"),
        ([entry("/etc/passwd")], "must be relative"),
        ([entry("../x")], "must be relative"),
        ([entry("a/../x")], "must be relative"),
        ([entry("./a")], "must be relative"),
        ([entry("a//b")], "must be relative"),
        ([entry("a/")], "must be relative"),
        ([entry("")], "1024"),
        ([entry("a\\b")], "backslashes"),
        ([entry("a\nb")], "control characters"),
        ([entry("x" * 256)], "255 in each part"),
        ([entry("é" * 128)], "255 in each part"),
        ([entry(LONG)], "1024"),
        ([entry("/".join("x" * 33))], "32 parts"),
        ([entry("b"), entry("a")], "sort the files by path"),
        ([entry("a"), entry("a")], "occurs twice"),
        (
            [entry(unicodedata.normalize("NFD", "é")), entry(unicodedata.normalize("NFC", "é"))],
            "differ only in how Unicode writes them",
        ),
        ([entry("a"), entry("a/b")], "is a file"),
        ([{**entry("a"), "size": -1}], "size"),
        ([{**entry("a"), "size": True}], "size"),
        ([{**entry("a"), "size": 2**53}], "size"),
        ([{**entry("a"), "sha256": "AB" * 32}], "sha256"),
        ([{**entry("a"), "sha256": "ab"}], "sha256"),
        ([{**entry("a"), "mode": 1}], "mode"),
        ([{"path": "a", "size": 1}], "sha256"),
        ([entry(f"{n:05}") for n in range(4001)], "1 to 4000"),
        ("MLmodel", "files"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_list_that_is_not_one_of_files_is_refused(
    training: Training, files: Any, words: str
) -> None:
    response = training.register("baseline", run_id="0" * 32, model_type="c", files=files)
    assert response.status_code == 422, response.text
    assert "body.files" in response.json()["message"]
    assert words in response.json()["message"]


def test_as_many_files_as_a_list_may_have_are_accepted(training: Training) -> None:
    files = [entry(f"shards/{n:05}.safetensors", b"%d" % n) for n in range(4000)]
    run = training.run(accuracy=0.5)
    assert training.registered("baseline", run_id=run, model_type="c", files=files)["files"]


def test_files_of_a_private_model_cannot_be_shared(training: Training) -> None:
    run = training.run(accuracy=0.5)
    body: dict[str, Any] = {"model_type": "c", "private": True, "share_files": True}
    refused = training.register("baseline", run_id=run, **body)
    assert refused.status_code == 422
    assert "share_files" in refused.json()["message"]
    private = training.registered("baseline", run_id=run, model_type="c", private=True)
    improved = training.register(
        "improved",
        run_id=training.run(accuracy=0.6),
        baseline_model_id=private["model_id"],
        contributor_address="0x742d35Cc6634C0532925a3b844Bc9e7595f62341",
        share_files=True,
    )
    assert improved.status_code == 422
    assert "not private" in improved.json()["message"]
