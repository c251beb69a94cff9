"""An improvement on a benchmark of eight rows, proven with the SDK's prover."""

import dataclasses
from typing import Any

import httpx
from hokusai.zk import provers
from hokusai.zk.commitments import commit, new_salt
from hokusai.zk.statements import Comparison

from tests.support import benchmarks
from tests.support.circuit_keys import CAPACITY, CircuitKeys
from tests.support.model_files import run_with, wait_for
from tests.support.responses import good
from tests.support.training import Training

LABELS = [1, 0, 1, 1, 0, 0, 1, 0]
# Five and seven rows of eight are right.
BASELINE = [1, 0, 0, 0, 0, 0, 0, 0]
IMPROVED = [1, 0, 1, 1, 0, 0, 1, 1]


class Improvement:
    """A benchmark, two registered models with committed predictions, and proofs of these.

    keys: those of the circuit `cells`.
    """

    def __init__(self, training: Training, keys: CircuitKeys) -> None:
        self.training = training
        self.key = keys.verifying
        self._zkey = keys.proving
        self._salts = new_salt(), new_salt(), new_salt()
        self.benchmark = benchmarks.new_benchmark(
            training.client, rows=CAPACITY, label_commitment=self.commitment("labels", LABELS, 0)
        )
        runs = [
            run_with(training, {"MLmodel": b"flavors: {}\n", "model.pkl": name}, accuracy=accuracy)
            for name, accuracy in ((b"baseline", 0.625), (b"improved", 0.875))
        ]
        self.baseline = training.registered("baseline", run_id=runs[0], model_type="classification")
        self.improved = good(
            benchmarks.register_improved(training, self.baseline, run_id=runs[1]), 201
        )
        # A proof is bound to their files.
        for model in (self.baseline, self.improved):
            wait_for(training.client, model, "witnessed")

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
