"""A commitment to predictions is bound to the files of the model."""

import json
import secrets
from collections.abc import Callable, Iterator

import pytest

from app.control_plane.model_files.hashing import ModelFile, list_digest, oms_root, weights_root
from app.standalone.mlflow import ChildMLflow
from tests.support.benchmarks import commit, new_benchmark
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, wait_for
from tests.support.responses import good, refused
from tests.support.training import Training

FILES = {"MLmodel": b"flavors: {}\n", "model.pkl": b"weights"}


@pytest.fixture(scope="module")
def training(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[Training]:
    """A tenant of a gateway that reads the files of models, few of each."""
    with (
        RunningGateway(
            new_database(), mlflow_server.url, model_files_readers=1, model_files_count=len(FILES)
        ) as gateway,
        Training.of(gateway) as made,
    ):
        yield made


def register(training: Training, files: dict[str, bytes]) -> str:
    run = run_with(training, files)
    model_id: str = training.registered("baseline", run_id=run, model_type="c")["model_id"]
    return model_id


def test_a_commitment_names_the_digests_of_the_files(training: Training) -> None:
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    made = good(commit(training.client, benchmark_id, register(training, FILES)), 201)
    files = [ModelFile(**one) for one in listed(FILES)]
    digests = {
        "sha256": oms_root(files),
        "sha256_merkle_v1": weights_root(files),
        "list_sha256": list_digest(files),
    }
    assert made["files"] == digests
    assert json.loads(made["record"])["files"] == digests


def test_the_same_weights_are_the_same_model(training: Training) -> None:
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    first = good(commit(training.client, benchmark_id, register(training, FILES)), 201)
    # As another run writes it, with the same weights.
    again = register(training, {**FILES, "MLmodel": b"run_id: another\n"})
    refused(commit(training.client, benchmark_id, again), 409, "committed_otherwise")
    good(commit(training.client, benchmark_id, again, first["commitment"]), 201)
    other = register(training, {**FILES, "model.pkl": b"other weights"})
    good(commit(training.client, benchmark_id, other), 201)


def test_a_model_whose_files_cannot_be_read_commits_to_nothing(training: Training) -> None:
    """Under two names, and with any list, it would be two models with a commitment each."""
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    run = run_with(training, {**FILES, "one more": b"than the gateway reads"})
    for claimed in ({}, {"files": listed({"model.pkl": secrets.token_bytes(8)})}):
        model = training.registered(
            "baseline", run_id=run, model_type="c", name=f"n-{secrets.token_hex(4)}", **claimed
        )
        state = "claimed" if claimed else "failed"
        wait_for(training.client, model, state, reason="more than 2 files")
        response = commit(training.client, benchmark_id, model["model_id"])
        refused(response, 409, "files_not_witnessed")
