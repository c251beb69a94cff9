"""An improvement on a benchmark of eight rows, proven with the SDK's prover."""

import dataclasses
from pathlib import Path
from typing import Any

import httpx
from hokusai.zk import key_files, provers
from hokusai.zk.commitments import commit, new_salt
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.statements import Comparison

from tests.support import benchmarks
from tests.support.responses import good
from tests.support.training import Training

CAPACITY = 8
LABELS = [1, 0, 1, 1, 0, 0, 1, 0]
# Five and seven rows of eight are right.
BASELINE = [1, 0, 0, 0, 0, 0, 0, 0]
IMPROVED = [1, 0, 1, 1, 0, 0, 1, 1]


def make_circuit(directory: Path, statement: str = "cells") -> VerifyingKey:
    """The keys of a small circuit, in a directory for HOKUSAI_PROOF_KEYS."""
    return key_files.make(directory, statement, CAPACITY)


class Improvement:
    """A benchmark, two registered models with committed predictions, and proofs of these.

    key: the verifying key. directory: of the keys.
    """

    def __init__(self, training: Training, key: VerifyingKey, directory: Path) -> None:
        self.training = training
        self.key = key
        self._zkey = key_files.proving_key_path(directory, key.circuit)
        self._salts = new_salt(), new_salt(), new_salt()
        self.benchmark = benchmarks.new_benchmark(
            training.client, rows=CAPACITY, label_commitment=self.commitment("labels", LABELS, 0)
        )
        self.baseline = training.baseline(accuracy=0.625)
        self.improved = good(
            benchmarks.register_improved(
                training, self.baseline, run_id=training.run(accuracy=0.875)
            ),
            201,
        )

    @property
    def ids(self) -> dict[str, str]:
        return {
            "benchmark_id": self.benchmark["benchmark_id"],
            "baseline_model_id": self.baseline["model_id"],
            "improved_model_id": self.improved["model_id"],
        }

    def commitment(self, role: str, values: list[int], salt: int) -> str:
        number = commit(role, values, 1, CAPACITY, self._salts[salt])
        return f"{number:064x}"

    def commit_predictions(self) -> "Improvement":
        for model, values, salt in ((self.baseline, BASELINE, 1), (self.improved, IMPROVED, 2)):
            good(
                benchmarks.commit(
                    self.training.client,
                    self.benchmark["benchmark_id"],
                    model["model_id"],
                    self.commitment("predictions", values, salt),
                ),
                201,
            )
        return self

    def binding(self) -> int:
        return int(good(self.get_binding())["binding"])

    def get_binding(self, **changes: str) -> httpx.Response:
        query = self.ids | changes
        benchmark_id, model_id = query.pop("benchmark_id"), query.pop("improved_model_id")
        path = f"/api/benchmarks/{benchmark_id}/binding/{model_id}"
        return self.training.client.get(path, params=query)

    def prove(self, binding: int | None = None, **changes: Any) -> dict[str, Any]:
        """The member `proof` of a request. changes: of the comparison."""
        comparison = dataclasses.replace(
            Comparison(
                LABELS,
                BASELINE,
                IMPROVED,
                self._salts,
                self.binding() if binding is None else binding,
            ),
            **changes,
        )
        proof = provers.prove(self.key, self._zkey, comparison, provers.PYTHON).as_json()
        del proof["verifying_key"]
        return proof

    def request(self, proof: dict[str, Any], **members: Any) -> dict[str, Any]:
        """The body of a request for the attestation."""
        return {
            "model_id": self.improved["model_id"],
            "benchmark_id": self.benchmark["benchmark_id"],
            "proof": proof,
            **members,
        }
