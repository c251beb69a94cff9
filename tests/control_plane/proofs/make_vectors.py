"""Makes the proven attestations that the verifiers share: `vectors/proven_v2.json` of the SDK.

    python -m tests.control_plane.proofs.make_vectors
    python hokusai-ml-platform/tests/make_proof_reports.py

Both have models with files. The proof of `first` has version 1 of the binding, which has no digest
of the list of files; that of `second` has version 2. Gateways have issued documents of both, so the
file is never made again for a change that breaks it.
"""

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from hokusai.zk import key_files

from app.control_plane.proofs import binding
from app.database.migrate import migrate
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.circuit_keys import CAPACITY, CircuitKeys
from tests.support.gateway import RunningGateway
from tests.support.proving import Improvement
from tests.support.responses import good
from tests.support.training import Training

PATH = Path(__file__).parents[3] / "hokusai-ml-platform" / "tests" / "vectors" / "proven_v2.json"


def _proven(gateway: RunningGateway, keys: CircuitKeys) -> Any:
    with Training.of(gateway) as training:
        improvement = Improvement(training, keys).commit_predictions()
        body = improvement.request(improvement.prove())
        return good(training.client.post("/api/attestations", json=body), 201)


def _vectors(gateway: RunningGateway, keys: CircuitKeys) -> dict[str, Any]:
    with (
        mock.patch.object(binding, "_TAG", b"hokusai-binding-v1\n"),
        mock.patch.object(binding, "_DIGESTS", ("sha256", "sha256_merkle_v1")),
    ):
        first = _proven(gateway, keys)
    second = _proven(gateway, keys)
    with gateway.client() as client:
        known = good(client.get("/.well-known/hokusai-attestor.json"))
    return {"attestations": {"first": first, "second": second}, "known": known, "cases": []}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        key = key_files.make(directory / "keys", "cells", CAPACITY)
        path = key_files.proving_key_path(directory / "keys", key.circuit)
        with EmbeddedPostgreSQL(directory / "postgres", durable=False) as postgres:
            for database in ("gateway", "mlflow"):
                postgres.create_database(database)
            url = postgres.url("gateway")
            migrate(url)
            with (
                ChildMLflow(directory / "mlflow", postgres.url("mlflow"), tcp=True) as server,
                RunningGateway(
                    url, server.url, proof_keys=directory / "keys", model_files_readers=1
                ) as gateway,
            ):
                made = _vectors(gateway, CircuitKeys(directory / "keys", key, path))
    PATH.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
