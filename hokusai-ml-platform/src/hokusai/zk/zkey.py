"""Proving keys in the file that snarkjs writes, `.zkey`: other provers can use ours, and we theirs.

Coordinates and factors are little-endian in Montgomery's form, times 2²⁵⁶; the factors of section
4 times 2⁵¹².
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

from hokusai.errors import DocumentError
from hokusai.zk import g1, g2, pairing
from hokusai.zk.binary import pack, unpack
from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.field import Q, R

_TO_Q, _FROM_Q = pow(2, 256, Q), pow(2, -256, Q)
_TO_R = pow(2, 512, R)
_HEADER, _GROTH16, _INPUTS, _COEFFICIENTS, _A, _B1, _B2, _C, _H, _CONTRIBUTIONS = range(1, 11)


@dataclass(frozen=True)
class ProvingKey:
    """The proving key of one circuit.

    Attributes:
        domain: The size of the domain, a power of two.
        wires: The number of wires.
        public: The number of public inputs.
        alpha1, beta1, delta1: Points of G1.
        beta2, gamma2, delta2: Points of G2.
        inputs: The points of the verifying key.
        a, b1, b2: A point for each wire.
        c: A point for each private wire.
        h: A point for each place of the domain.
    """

    domain: int
    wires: int
    public: int
    alpha1: g1.Point
    beta1: g1.Point
    beta2: g2.Point
    gamma2: g2.Point
    delta1: g1.Point
    delta2: g2.Point
    inputs: list[g1.Point]
    a: list[g1.Point]
    b1: list[g1.Point]
    b2: list[g2.Point]
    c: list[g1.Point]
    h: list[g1.Point]


def rows(system: ConstraintSystem) -> list[tuple[Any, Any]]:
    """The left and right sides of all constraints, and one for each public input.

    Without the latter, a public input could be exchanged for another after the proof was made.
    """
    sides: list[tuple[Any, Any]] = [(c.left, c.right) for c in system.constraints]
    return sides + [({wire: 1}, {}) for wire in range(system.public + 1)]


def write(key: ProvingKey, system: ConstraintSystem) -> bytes:
    """Write a proving key, with the constraints that it belongs to."""
    header = b"".join(
        [
            struct.pack("<I", 32) + Q.to_bytes(32, "little"),
            struct.pack("<I", 32) + R.to_bytes(32, "little"),
            struct.pack("<III", key.wires, key.public, key.domain),
            _write1([key.alpha1, key.beta1]),
            _write2([key.beta2, key.gamma2]),
            _write1([key.delta1]),
            _write2([key.delta2]),
        ]
    )
    coefficients = [
        struct.pack("<III", matrix, number, wire) + (value * _TO_R % R).to_bytes(32, "little")
        for number, sides in enumerate(rows(system))
        for matrix, side in enumerate(sides)
        for wire, value in side.items()
    ]
    # No contributions follow: the key comes from one party.
    contributions = hashlib.blake2b(b"hokusai operator setup").digest() + struct.pack("<I", 0)
    return pack(
        b"zkey",
        1,
        [
            (_HEADER, struct.pack("<I", 1)),
            (_GROTH16, header),
            (_INPUTS, _write1(key.inputs)),
            (_COEFFICIENTS, struct.pack("<I", len(coefficients)) + b"".join(coefficients)),
            (_A, _write1(key.a)),
            (_B1, _write1(key.b1)),
            (_B2, _write2(key.b2)),
            (_C, _write1(key.c)),
            (_H, _write1(key.h)),
            (_CONTRIBUTIONS, contributions),
        ],
    )


def read(content: bytes) -> ProvingKey:
    """Read a proving key. Its constraints are not read: they are those that the SDK builds.

    Raises:
        DocumentError: It is not a proving key of Groth16 over BN254.
    """
    sections = unpack(content, b"zkey", 1)
    try:
        header = sections[_GROTH16]
        if struct.unpack_from("<I", sections[_HEADER])[0] != 1 or (
            bytes(header[4:36]),
            bytes(header[40:72]),
        ) != (Q.to_bytes(32, "little"), R.to_bytes(32, "little")):
            raise DocumentError("The proving key is not one of Groth16 over BN254.")
        wires, public, domain = struct.unpack_from("<III", header, 72)
        alpha1, beta1 = _read1(header[84:212])
        beta2, gamma2 = _read2(header[212:468])
        (delta1,) = _read1(header[468:532])
        (delta2,) = _read2(header[532:660])
        key = ProvingKey(
            domain,
            wires,
            public,
            alpha1,
            beta1,
            beta2,
            gamma2,
            delta1,
            delta2,
            _read1(sections[_INPUTS]),
            _read1(sections[_A]),
            _read1(sections[_B1]),
            _read2(sections[_B2]),
            _read1(sections[_C]),
            _read1(sections[_H]),
        )
    except (KeyError, struct.error, ValueError):
        raise DocumentError("The proving key is cut off.") from None
    sizes = [len(part) for part in (key.inputs, key.a, key.b1, key.b2, key.c, key.h)]
    if sizes != [public + 1, wires, wires, wires, wires - public - 1, domain]:
        raise DocumentError("The proving key has another number of points than its header says.")
    return key


def check(key: ProvingKey, system: ConstraintSystem) -> None:
    """Refuse a key with which a proof would fail, or would reveal the witness.

    What hides the witness is delta: it must be the same point in both groups, and not infinity.

    Raises:
        DocumentError: As described.
    """
    needed = len(system.constraints) + system.public + 1
    if (key.wires, key.public) != (len(system.wires), system.public) or key.domain < needed:
        raise DocumentError("The proving key is that of another circuit.")
    for one, two in ((key.beta1, key.beta2), (key.delta1, key.delta2)):
        if (
            one is None
            or two is None
            or not (g1.is_on_curve(one) and g2.is_on_curve(two) and g2.is_in_subgroup(two))
            or not pairing.is_one(
                [(one, pairing.lines(g2.GENERATOR)), (g1.negate(g1.GENERATOR), pairing.lines(two))]
            )
        ):
            raise DocumentError("The proving key is not sound: its points do not belong together.")


def _write1(points: list[g1.Point]) -> bytes:
    return b"".join(
        (n * _TO_Q % Q).to_bytes(32, "little") for point in points for n in point or (0, 0)
    )


def _write2(points: list[g2.Point]) -> bytes:
    return b"".join(
        (n * _TO_Q % Q).to_bytes(32, "little")
        for point in points
        for pair in point or ((0, 0), (0, 0))
        for n in pair
    )


def _numbers(section: memoryview) -> list[int]:
    return [
        int.from_bytes(section[start : start + 32], "little") * _FROM_Q % Q
        for start in range(0, len(section), 32)
    ]


def _read1(section: memoryview) -> list[g1.Point]:
    numbers = iter(_numbers(section))
    return [(x, y) if x or y else None for x, y in zip(numbers, numbers)]


def _read2(section: memoryview) -> list[g2.Point]:
    pairs = iter(_read_pairs(section))
    return [(x, y) if any(x + y) else None for x, y in zip(pairs, pairs)]


def _read_pairs(section: memoryview) -> list[tuple[int, int]]:
    numbers = iter(_numbers(section))
    return list(zip(numbers, numbers))
