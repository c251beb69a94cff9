"""A proof with what it is a proof of: its circuit, its public inputs and the key that checks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Container, Mapping

from hokusai.errors import DocumentError, ProofError
from hokusai.zk import groth16
from hokusai.zk.circuits import STATEMENTS
from hokusai.zk.keys import VerifyingKey, public_inputs
from hokusai.zk.statements import SHARED, Statement

SYSTEM = "groth16-bn254"
_MEMBERS = {"system", "circuit", "statement", "setup", "public", "proof", "verifying_key"}


@dataclass(frozen=True)
class Proof:
    """A proof, which has been read but not necessarily checked.

    Attributes:
        key: The verifying key that came with it.
        public: The public inputs, in the order of the statement.
        points: The proof itself.
    """

    key: VerifyingKey
    public: tuple[int, ...]
    points: groth16.Points

    @property
    def statement(self) -> Statement:
        return STATEMENTS[self.key.statement]

    @property
    def counts(self) -> dict[str, int]:
        """The counts by their names, such as `both`."""
        return dict(zip(self.statement.counts, self.public))

    @property
    def shared(self) -> dict[str, int]:
        """`rows`, the commitments `labels`, `baseline` and `improved`, and `binding`."""
        return dict(zip(SHARED, self.public[-len(SHARED) :]))

    def check(self, circuits: Container[str], binding: int | None = None) -> None:
        """Check the proof.

        Args:
            circuits: The identifiers of the circuits that the caller accepts. Anybody can make
                keys of their own, with which they can prove anything.
            binding: What the proof must be bound to; by default it is not compared.

        Raises:
            ProofError: It does not hold, or not of what was asked.
        """
        if self.key.circuit not in circuits:
            raise ProofError(f"You have named no circuit {self.key.circuit} to trust.")
        if binding is not None and binding != self.shared["binding"]:
            raise ProofError("The proof was made for something else: its binding differs.")
        counts, rows = self.counts.values(), self.shared["rows"]
        if not 0 < rows <= self.key.capacity or sum(counts) != rows:
            raise ProofError("The counts do not add up to the rows.")
        if not groth16.verify(self.key, self.public, self.points):
            raise ProofError("The proof does not hold for its public inputs.")

    def as_json(self) -> dict[str, Any]:
        """The member `proof` of an attestation."""
        return {
            "system": SYSTEM,
            "circuit": self.key.circuit,
            "statement": self.key.statement,
            "setup": self.key.setup,
            "public": [str(value) for value in self.public],
            "proof": self.points.as_json(),
            "verifying_key": self.key.as_json(),
        }

    @classmethod
    def from_json(cls, document: Any) -> Proof:
        """Read the member `proof` of an attestation.

        Raises:
            DocumentError: A member is missing, unknown or has another form.
        """
        if not isinstance(document, Mapping) or set(document) != _MEMBERS:
            raise DocumentError(f"A proof has the members {', '.join(sorted(_MEMBERS))}.")
        if document["system"] != SYSTEM:
            raise DocumentError(f"The proof's system is not {SYSTEM}.")
        key = VerifyingKey.from_json(document["verifying_key"])
        said = (document["circuit"], document["statement"], document["setup"])
        if said != (key.circuit, key.statement, key.setup):
            raise DocumentError("The proof's circuit, statement and setup are not its key's.")
        public = tuple(public_inputs(document["public"], key))
        return cls(key, public, groth16.Points.from_json(document["proof"]))
