"""Groth16 (eprint 2016/260): making a proof, and checking one.

A proof is three points. It can be changed into another valid proof of the same public inputs by
anybody, so a proof, or its hash, never identifies anything; the public inputs do.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Mapping, Sequence

from hokusai.errors import DocumentError
from hokusai.zk import g1, g2, pairing, points, zkey
from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.field import R
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.multiples import multiply, sum_of_multiples
from hokusai.zk.polynomials import Shift

_MEMBERS = {"pi_a", "pi_b", "pi_c", "protocol", "curve"}


@dataclass(frozen=True)
class Points:
    """The three points of a proof."""

    a: g1.Point
    b: g2.Point
    c: g1.Point

    def as_json(self) -> dict[str, Any]:
        """The proof as snarkjs writes it."""
        return {
            "pi_a": points.write1(self.a),
            "pi_b": points.write2(self.b),
            "pi_c": points.write1(self.c),
            "protocol": "groth16",
            "curve": "bn128",
        }

    @classmethod
    def from_json(cls, document: Any) -> Points:
        """Read a proof; of each there is one form.

        Raises:
            DocumentError: A member is missing or has another form, or a point is not in its group.
        """
        if not isinstance(document, Mapping) or set(document) != _MEMBERS:
            raise DocumentError(f"A proof has the members {', '.join(sorted(_MEMBERS))}.")
        if (document["protocol"], document["curve"]) != ("groth16", "bn128"):
            raise DocumentError("The proof is not one of Groth16 over BN254 (bn128).")
        return cls(
            points.read1(document["pi_a"], "pi_a"),
            points.read2(document["pi_b"], "pi_b"),
            points.read1(document["pi_c"], "pi_c"),
        )


def prove(key: zkey.ProvingKey, system: ConstraintSystem) -> Points:
    """Prove that the constraints hold, in pure Python.

    Raises:
        DocumentError: The key is that of other constraints, or would not hide the witness.
    """
    zkey.check(key, system)
    wires = system.wires
    sides = [(system.value(left), system.value(right)) for left, right in zkey.rows(system)]
    sides += [(0, 0)] * (key.domain - len(sides))
    shift = Shift(key.domain)
    left, right, output = (
        shift(values)
        for values in (
            [a for a, _ in sides],
            [b for _, b in sides],
            [a * b % R for a, b in sides],
        )
    )
    quotient = [(a * b - c) % R for a, b, c in zip(left, right, output)]
    r, s = secrets.randbelow(R), secrets.randbelow(R)
    a = _sum1([*key.a, key.alpha1, key.delta1], [*wires, 1, r])
    b1 = _sum1([*key.b1, key.beta1, key.delta1], [*wires, 1, s])
    b = sum_of_multiples(g2, [*key.b2, key.beta2, key.delta2], [*wires, 1, s])
    c = _sum1(
        [*key.c, *key.h, a, b1, key.delta1],
        [*wires[key.public + 1 :], *quotient, s, r, -r * s % R],
    )
    return Points(a, b, c)


def verify(key: VerifyingKey, public: Sequence[int], proof: Points) -> bool:
    """Check a proof.

    Args:
        key: The verifying key, whose circuit the caller has pinned.
        public: The public inputs.
        proof: The proof.
    """
    if len(public) != len(key.inputs) - 1 or not all(0 <= value < R for value in public):
        return False
    if (
        proof.a is None
        or proof.b is None
        or proof.c is None
        or not (g1.is_on_curve(proof.a) and g1.is_on_curve(proof.c))
        or not (g2.is_on_curve(proof.b) and g2.is_in_subgroup(proof.b))
    ):
        return False
    inputs = _sum1(list(key.inputs), [1, *public])
    beta, gamma, delta = _lines(key.beta, key.gamma, key.delta)
    return pairing.is_one(
        [
            (proof.a, pairing.lines(proof.b)),
            (g1.negate(key.alpha), beta),
            (g1.negate(inputs), gamma),
            (g1.negate(proof.c), delta),
        ]
    )


@lru_cache(maxsize=16)
def _lines(*of: g2.Point) -> tuple[pairing.Lines, ...]:
    """The lines of a key's points, which are the same for each proof."""
    return tuple(pairing.lines(point) for point in of)


def rerandomize(key: VerifyingKey, proof: Points) -> Points:
    """Another valid proof of the same public inputs, which anybody can make without the witness.

    It is why a proof identifies nothing.
    """
    r, s = secrets.randbelow(R - 1) + 1, secrets.randbelow(R)
    b = sum_of_multiples(g2, [proof.b, key.delta], [r, r * s % R])
    return Points(multiply(g1, proof.a, pow(r, -1, R)), b, _sum1([proof.c, proof.a], [1, s]))


def _sum1(of: list[g1.Point], scalars: Sequence[int]) -> g1.Point:
    result: g1.Point = sum_of_multiples(g1, of, scalars)
    return result
