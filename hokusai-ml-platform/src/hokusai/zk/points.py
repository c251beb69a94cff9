"""Points and numbers in the JSON of snarkjs, and as the bytes of EIP-196 and EIP-197.

Each has exactly one form, and everything else is refused: numbers that are not decimal or not
reduced, coordinates that are no point, the point at infinity, points outside the subgroup.
"""

from __future__ import annotations

import re
from typing import Any

from hokusai.errors import DocumentError
from hokusai.zk import g1, g2
from hokusai.zk.field import Fq2, Q, R

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)


def read_number(value: Any, name: str, limit: int) -> int:
    """Read a decimal number below a limit.

    Raises:
        DocumentError: It is not written so, or is not below the limit.
    """
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or int(value) >= limit:
        raise DocumentError(f"{name} is not a decimal number below the modulus, as a text.")
    return int(value)


def read_scalar(value: Any, name: str) -> int:
    return read_number(value, name, R)


def read1(value: Any, name: str) -> g1.Point:
    """Read a point of G1.

    Raises:
        DocumentError: It is not one, or is the point at infinity.
    """
    if not isinstance(value, list) or len(value) != 3 or value[2] != "1":
        raise DocumentError(f"{name} is not a point: two coordinates and 1.")
    point = read_number(value[0], name, Q), read_number(value[1], name, Q)
    if not g1.is_on_curve(point):
        raise DocumentError(f"{name} is not a point of the curve.")
    return point


def read2(value: Any, name: str) -> g2.Point:
    """Read a point of G2.

    Raises:
        DocumentError: It is not one, or is the point at infinity.
    """
    if not isinstance(value, list) or len(value) != 3 or value[2] != ["1", "0"]:
        raise DocumentError(f"{name} is not a point: two pairs of coordinates and 1, 0.")
    point = _read_pair(value[0], name), _read_pair(value[1], name)
    if not g2.is_on_curve(point):
        raise DocumentError(f"{name} is not a point of the curve.")
    if not g2.is_in_subgroup(point):
        raise DocumentError(f"{name} is not in the subgroup of G2.")
    return point


def _read_pair(value: Any, name: str) -> Fq2:
    if not isinstance(value, list) or len(value) != 2:
        raise DocumentError(f"{name} is not a point: two pairs of coordinates and 1, 0.")
    return read_number(value[0], name, Q), read_number(value[1], name, Q)


def write1(point: g1.Point) -> list[str]:
    if point is None:
        raise DocumentError("The point at infinity cannot be written.")
    return [str(point[0]), str(point[1]), "1"]


def write2(point: g2.Point) -> list[Any]:
    if point is None:
        raise DocumentError("The point at infinity cannot be written.")
    return [[str(n) for n in point[0]], [str(n) for n in point[1]], ["1", "0"]]


def encode1(point: g1.Point) -> bytes:
    """The 64 bytes of EIP-196."""
    return b"".join(n.to_bytes(32, "big") for n in point or (0, 0))


def encode2(point: g2.Point) -> bytes:
    """The 128 bytes of EIP-197, which puts the imaginary part first."""
    (a, b), (c, d) = point or ((0, 0), (0, 0))
    return b"".join(n.to_bytes(32, "big") for n in (b, a, d, c))
