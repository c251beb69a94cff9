"""Proving an improvement on a benchmark: committing to labels and predictions, and the proof.

    from hokusai.proofs import Proving, commit_labels, commit_predictions

    labels = commit_labels([0, 1, 1, ...])
    labels.save("labels.json")                     # keep it: only with it can you prove
    benchmark = proving.register_benchmark(labels, name="churn", dataset_hash="...", ...)
    before = commit_predictions(baseline.predict(test))
    proving.send_predictions(benchmark["benchmark_id"], baseline_id, before)
    ...
    proof = proving.prove(benchmark_id, baseline_id, improved_id, labels, before, after)
    tracker.track_improvement(old, new, proof=proof)

The gateway's docs/proofs.md says in plain words what a proof proves, and what it does not.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

from hokusai.errors import DocumentError, InputError, ProofError
from hokusai.json_encoding import to_json_data
from hokusai.private_files import write_private_json
from hokusai.results import Result
from hokusai.verify.proof import binding_of
from hokusai.zk import key_files, provers
from hokusai.zk.circuits import capacity_for, statement
from hokusai.zk.commitments import check_values, commit, new_salt
from hokusai.zk.field import R
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.statements import Comparison, Statement

if TYPE_CHECKING:
    from hokusai.api import GatewayAPI


@dataclass(frozen=True)
class Committed:
    """Labels or predictions, with the salt of the commitment to them.

    Keep it secret until the proof is made, and do not lose it: without the salt nothing can be
    proven of the commitment.

    Attributes:
        role: `labels` or `predictions`.
        statement: The statement that will be proven: `cells` or `agreement`.
        capacity: The rows of the circuit.
        values: The values of all rows.
        salt: The salt.
    """

    role: str
    statement: str
    capacity: int
    values: tuple[int, ...]
    salt: int

    @property
    def commitment(self) -> str:
        """The commitment as the gateway takes it, 64 hexadecimal digits."""
        bits = statement(self.statement).bits
        return f"{commit(self.role, self.values, bits, self.capacity, self.salt):064x}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save it in a new file that only this user can read.

        Raises:
            InputError: The file exists, and is not this commitment: whatever it has is kept.
            OSError: The file cannot be written.
        """
        place = Path(path).absolute()
        if os.path.lexists(place):
            try:
                if Committed.load(place) == self:
                    return
            except DocumentError:
                pass
            raise InputError(
                f"{place} exists, and is not this commitment. Name another file, or remove it."
            )
        document = {
            "role": self.role,
            "statement": self.statement,
            "capacity": self.capacity,
            "salt": str(self.salt),
            "values": list(self.values),
        }
        write_private_json(place, document)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Committed:
        """Read what `save` wrote.

        Raises:
            DocumentError: The file cannot be read, or is another one.
        """
        try:
            document = json.loads(Path(path).read_bytes())
            found = cls(
                document["role"],
                document["statement"],
                document["capacity"],
                tuple(document["values"]),
                int(document["salt"]),
            )
            check_values(found.values, statement(found.statement).bits, found.capacity)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DocumentError(f"{os.fspath(path)} has no committed values: {error}") from None
        if found.role not in ("labels", "predictions") or not 0 <= found.salt < R:
            raise DocumentError(f"{os.fspath(path)} has no valid role or salt.")
        return found


def commit_labels(values: Iterable[Any], *, statement: str | None = None) -> Committed:
    """Commit to the labels of a test set, one for each row.

    Args:
        values: Whole numbers, also of NumPy or pandas.
        statement: `cells` for the labels 0 and 1, `agreement` for classes up to 65,535. By default
            `cells` where it is possible.

    Raises:
        InputError: There are no rows or too many, or a value is not such a number.
    """
    return _committed("labels", values, statement)


def commit_predictions(values: Iterable[Any], *, statement: str | None = None) -> Committed:
    """Commit to the predictions of a model for the same rows; see `commit_labels`.

    Name the statement `agreement` where the labels have more classes than these predictions.
    """
    return _committed("predictions", values, statement)


class Proving:
    """Benchmarks, predictions and proofs at one gateway.

    Attributes:
        api: The gateway.
        directory: Where proving keys are kept.
    """

    def __init__(self, api: GatewayAPI, directory: str | os.PathLike[str] | None = None) -> None:
        """Nothing is sent yet.

        Args:
            api: The gateway.
            directory: Where to keep proving keys, by default `hokusai/proving-keys` in
                `XDG_CACHE_HOME`, or in `~/.cache`.
        """
        self.api = api
        self.directory = _cache() if directory is None else Path(directory)

    def register_benchmark(self, labels: Committed, **members: Any) -> Result:
        """Register a benchmark with committed labels: `POST /api/benchmarks`.

        Args:
            labels: From `commit_labels`.
            **members: Further members of the request, such as `name`, `dataset_hash`,
                `dataset_version`, `metric` and `guardrails`.
        """
        body = {"rows": len(labels.values), "label_commitment": labels.commitment, **members}
        return self.api.register_benchmark(body)

    def send_predictions(self, benchmark_id: str, model_id: str, predictions: Committed) -> Result:
        """Publish a commitment to a model's predictions.

        It waits while the gateway still reads the files of the model.

        Raises:
            ConflictError: Others were committed to before, or the labels were released.
        """
        return self.api.commit_predictions(benchmark_id, model_id, predictions.commitment)

    def prove(
        self,
        benchmark_id: str,
        baseline_model_id: str,
        improved_model_id: str,
        labels: Committed,
        baseline: Committed,
        improved: Committed,
        *,
        prover: str | None = None,
    ) -> Result:
        """Prove the counts of both models on a benchmark.

        Args:
            benchmark_id: The benchmark.
            baseline_model_id: The baseline.
            improved_model_id: The improved model.
            labels: The labels, as they were committed to.
            baseline: The predictions of the baseline.
            improved: The predictions of the improved model.
            prover: `python` or `groth16py`; by default the latter where it is installed.

        Returns:
            What `PerformanceTracker.track_improvement(proof=...)` takes: `benchmark_id`,
            `baseline_model_id`, `improved_model_id` and `proof`; and the name of the `prover`.

        Raises:
            InputError: The three do not belong together.
            ProofError: The gateway has no circuit for them, or would bind the proof to something
                else.
        """
        of = _common_statement([labels, baseline, improved])
        if [one.role for one in (labels, baseline, improved)] != ["labels", *["predictions"] * 2]:
            raise InputError("Pass the labels first, then the predictions of both models.")
        asked = {
            "benchmark_id": benchmark_id,
            "baseline_model_id": baseline_model_id,
            "improved_model_id": improved_model_id,
        }
        key, path = self.key(of.name, labels.capacity)
        salts = (labels.salt, baseline.salt, improved.salt)
        comparison = Comparison(
            labels.values,
            baseline.values,
            improved.values,
            salts,
            self._binding(asked, labels.commitment),
        )
        name = prover or provers.available()
        document = provers.prove(key, path, comparison, name).as_json()
        # The gateway has it, and puts it beside the proof.
        del document["verifying_key"]
        return Result({**asked, "proof": document, "prover": name})

    def key(self, name: str, capacity: int) -> tuple[VerifyingKey, Path]:
        """The keys of the gateway's circuit, the proving key from this user's copy if there is one.

        Raises:
            ProofError: The gateway has no such circuit.
            DocumentError: What it sent is not the key of the circuit.
        """
        for item in self.api.circuits():
            key = VerifyingKey.from_json(item["verifying_key"])
            if (key.statement, key.capacity) == (name, capacity) and item["proving_key"]:
                path = key_files.proving_key_path(self.directory, key.circuit)
                if not path.exists():
                    self._download(key, item["proving_key"], path)
                return key, path
        raise ProofError(
            f"The gateway has no circuit for the statement {name} and {capacity} rows. Its "
            "operator makes one, in the directory that HOKUSAI_PROOF_KEYS names: `hokusai circuits "
            f"setup .hokusai/proof-keys --statement {name} --rows {capacity}`."
        )

    def _download(self, key: VerifyingKey, address: str, path: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=str(self.directory), prefix=".key-")
        os.close(handle)

        def receive(pieces: Iterable[bytes]) -> None:
            with open(temporary, "wb") as file:
                for piece in pieces:
                    file.write(piece)

        try:
            self.api.client.download(address[len("/api") :], {}, receive)
            provers.load(key, temporary)
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def _binding(self, asked: Mapping[str, str], label_commitment: str) -> int:
        """What the gateway wants the proof bound to, after comparing it with what was asked."""
        found = self.api.binding(**asked)
        parts = found["parts"]
        is_asked = (
            parts["benchmark_id"] == asked["benchmark_id"]
            and parts["baseline"]["model_id"] == asked["baseline_model_id"]
            and parts["improved"]["model_id"] == asked["improved_model_id"]
        )
        if not is_asked or str(binding_of(parts)) != found["binding"]:
            raise ProofError("The gateway would bind the proof to something else.")
        if parts["label_commitment"] != label_commitment:
            raise ProofError(
                f"These are not the labels of {asked['benchmark_id']}: it has the commitment "
                f"{parts['label_commitment']}, and these have {label_commitment}."
            )
        return binding_of(parts)


def _committed(role: str, values: Iterable[Any], name: str | None) -> Committed:
    numbers = [_whole(value, row) for row, value in enumerate(to_json_data(list(values), role))]
    if name is None:
        name = "cells" if all(number in (0, 1) for number in numbers) else "agreement"
    of = statement(name)
    capacity = capacity_for(of, len(numbers))
    check_values(numbers, of.bits, capacity)
    return Committed(role, name, capacity, tuple(numbers), new_salt())


def _whole(value: Any, row: int) -> int:
    """A whole number; 1.0 and True stand for 1, as models return them."""
    if isinstance(value, (bool, float)) and value == int(value):
        return int(value)
    if not isinstance(value, int):
        raise InputError(f"Row {row} is {value!r}, which is not a whole number.")
    return value


def _common_statement(committed: Sequence[Committed]) -> Statement:
    shapes = {(one.statement, one.capacity, len(one.values)) for one in committed}
    if len(shapes) != 1:
        listed = "; ".join(
            f"{one.role}: {len(one.values)} rows for {one.statement}" for one in committed
        )
        raise InputError(f"Labels and predictions do not belong together: {listed}.")
    return statement(committed[0].statement)


def _cache() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if os.path.isabs(configured) else Path.home() / ".cache"
    return base / "hokusai" / "proving-keys"


__all__ = ["Committed", "Proving", "commit_labels", "commit_predictions"]
