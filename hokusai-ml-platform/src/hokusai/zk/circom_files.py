"""Constraints and wires in the files that snarkjs and other provers read: `.r1cs` and `.wtns`."""

from __future__ import annotations

import struct

from hokusai.zk.binary import pack
from hokusai.zk.constraints import ConstraintSystem, Linear
from hokusai.zk.field import R

_PRIME = struct.pack("<I", 32) + R.to_bytes(32, "little")


def r1cs(system: ConstraintSystem) -> bytes:
    """The constraints, as a `.r1cs` file."""
    wires, public = len(system.wires), system.public
    header = _PRIME + struct.pack(
        "<IIIIQI", wires, 0, public, wires - 1 - public, wires, len(system.constraints)
    )
    body = b"".join(_linear(linear) for constraint in system.constraints for linear in constraint)
    labels = b"".join(struct.pack("<Q", wire) for wire in range(wires))
    return pack(b"r1cs", 1, [(1, header), (2, body), (3, labels)])


def wtns(system: ConstraintSystem) -> bytes:
    """The values of the wires, as a `.wtns` file. They are what a proof keeps secret."""
    header = _PRIME + struct.pack("<I", len(system.wires))
    values = b"".join(value.to_bytes(32, "little") for value in system.wires)
    return pack(b"wtns", 2, [(1, header), (2, values)])


def _linear(linear: Linear) -> bytes:
    return struct.pack("<I", len(linear)) + b"".join(
        struct.pack("<I", wire) + linear[wire].to_bytes(32, "little") for wire in sorted(linear)
    )
