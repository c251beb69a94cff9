"""Verifying keys: what checks the proofs of one circuit, and the name of that circuit.

The circuit's identifier is a SHA-256 over its statement, its capacity, the origin of its setup and
the points of its key. A proof under another key is a proof of something else, so a verifier must
pin the identifiers that it accepts.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from hokusai.errors import DocumentError
from hokusai.zk import g1, g2, points
from hokusai.zk.circuits import STATEMENTS

_HEADER = "hokusai-groth16-bn254-v1\n{statement}\n{capacity}\n{setup}\n"
_MEMBERS = frozenset(
    {"protocol", "curve", "nPublic", "vk_alpha_1", "vk_beta_2", "vk_gamma_2", "vk_delta_2", "IC"}
    | {"statement", "capacity", "setup", "circuit"}
)
_SETUP = re.compile(r"operator|ceremony:[0-9a-f]{64}")


@dataclass(frozen=True)
class VerifyingKey:
    """The verifying key of one circuit.

    Attributes:
        statement: `cells` or `agreement`.
        capacity: The rows that the circuit takes.
        setup: Who knows that nobody can forge proofs: `operator`, or `ceremony:` with the SHA-256
            of its transcript.
        alpha: A point of G1.
        beta: A point of G2.
        gamma: A point of G2.
        delta: A point of G2.
        inputs: A point of G1 for the constant, and one for each public input.
    """

    statement: str
    capacity: int
    setup: str
    alpha: g1.Point
    beta: g2.Point
    gamma: g2.Point
    delta: g2.Point
    inputs: tuple[g1.Point, ...]

    @property
    def circuit(self) -> str:
        """The identifier of the circuit, 64 hexadecimal digits."""
        header = _HEADER.format(statement=self.statement, capacity=self.capacity, setup=self.setup)
        content = [points.encode1(self.alpha)]
        content += [points.encode2(point) for point in (self.beta, self.gamma, self.delta)]
        content += [points.encode1(point) for point in self.inputs]
        return hashlib.sha256(header.encode() + b"".join(content)).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The key as snarkjs writes it, with the members that are ours."""
        return {
            "protocol": "groth16",
            "curve": "bn128",
            "nPublic": len(self.inputs) - 1,
            "vk_alpha_1": points.write1(self.alpha),
            "vk_beta_2": points.write2(self.beta),
            "vk_gamma_2": points.write2(self.gamma),
            "vk_delta_2": points.write2(self.delta),
            "IC": [points.write1(point) for point in self.inputs],
            "statement": self.statement,
            "capacity": self.capacity,
            "setup": self.setup,
            "circuit": self.circuit,
        }

    @classmethod
    def from_json(cls, document: Any) -> VerifyingKey:
        """Read a key, and check that its points are what a key may have.

        Raises:
            DocumentError: It is not a verifying key of a statement that is known here.
        """
        if not isinstance(document, Mapping) or set(document) != _MEMBERS:
            raise DocumentError(f"A verifying key has the members {', '.join(sorted(_MEMBERS))}.")
        if (document.get("protocol"), document.get("curve")) != ("groth16", "bn128"):
            raise DocumentError("The verifying key is not one of Groth16 over BN254.")
        statement, capacity = document.get("statement"), document.get("capacity")
        if not isinstance(statement, str) or statement not in STATEMENTS:
            raise DocumentError("The verifying key's statement is neither cells nor agreement.")
        if type(capacity) is not int or not 0 < capacity < 1 << 31:
            raise DocumentError("The verifying key's capacity is not a number of rows.")
        setup = document.get("setup")
        if not isinstance(setup, str) or not _SETUP.fullmatch(setup):
            raise DocumentError("The verifying key's setup is neither operator nor a ceremony.")
        inputs = document.get("IC")
        expected = len(STATEMENTS[statement].public_names) + 1
        counted = document["nPublic"]
        if type(counted) is not int or counted != expected - 1:
            raise DocumentError(f"The verifying key of {statement} has nPublic {expected - 1}.")
        if not isinstance(inputs, list) or len(inputs) != expected:
            raise DocumentError(f"The verifying key of {statement} has {expected} points in IC.")
        key = cls(
            statement,
            capacity,
            setup,
            points.read1(document.get("vk_alpha_1"), "vk_alpha_1"),
            points.read2(document.get("vk_beta_2"), "vk_beta_2"),
            points.read2(document.get("vk_gamma_2"), "vk_gamma_2"),
            points.read2(document.get("vk_delta_2"), "vk_delta_2"),
            tuple(points.read1(point, f"IC[{n}]") for n, point in enumerate(inputs)),
        )
        if key.gamma == key.delta:
            # As `snarkjs groth16 setup` writes it, before the first party contributes: the points
            # alpha, beta and minus the sum of the inputs are then a proof of anything.
            raise DocumentError(
                "The verifying key is not sound: gamma and delta are the same point, so anybody "
                "can forge proofs."
            )
        if document["circuit"] != key.circuit:
            raise DocumentError("The verifying key is not that of the circuit that it names.")
        return key


def public_inputs(values: Sequence[Any], key: VerifyingKey) -> list[int]:
    """Read the public inputs of a proof: canonical decimal numbers below the order.

    Raises:
        DocumentError: There are more or fewer than the key has, or one has another form.
    """
    if not isinstance(values, list) or len(values) != len(key.inputs) - 1:
        raise DocumentError(f"The proof must have {len(key.inputs) - 1} public inputs.")
    names = STATEMENTS[key.statement].public_names
    return [points.read_scalar(value, name) for name, value in zip(names, values)]
