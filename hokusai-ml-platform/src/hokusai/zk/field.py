"""The two prime fields of the curve BN254 (EIP-196), and the extension of degree two.

Elements are plain integers in `range(p)`; those of the extension are pairs `(real, imaginary)`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Sequence, Tuple

# The field of coordinates.
Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583
# The order of the groups: the field of scalars, in which constraints are written.
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
# A generator of the multiplicative group of the scalars, and the power of two in its order.
GENERATOR = 5
TWO_ADICITY = 28

Fq2 = Tuple[int, int]

ZERO2: Fq2 = (0, 0)
ONE2: Fq2 = (1, 0)


def root_of_unity(order: int) -> int:
    """A primitive root of unity of the scalar field, for an `order` that is a power of two."""
    return pow(GENERATOR, (R - 1) // order, R)


def inverses(values: Sequence[int], modulus: int) -> list[int]:
    """The inverses of values that are not zero, at the cost of one inversion."""
    products = list(accumulate(values, lambda a, b: a * b % modulus, initial=1))
    inverse = pow(products[-1], -1, modulus)
    result = [0] * len(values)
    for index in range(len(values) - 1, -1, -1):
        result[index] = inverse * products[index] % modulus
        inverse = inverse * values[index] % modulus
    return result


def add2(a: Fq2, b: Fq2) -> Fq2:
    return (a[0] + b[0]) % Q, (a[1] + b[1]) % Q


def subtract2(a: Fq2, b: Fq2) -> Fq2:
    return (a[0] - b[0]) % Q, (a[1] - b[1]) % Q


def multiply2(a: Fq2, b: Fq2) -> Fq2:
    real, imaginary = a[0] * b[0], a[1] * b[1]
    return (real - imaginary) % Q, ((a[0] + a[1]) * (b[0] + b[1]) - real - imaginary) % Q


def square2(a: Fq2) -> Fq2:
    return (a[0] + a[1]) * (a[0] - a[1]) % Q, 2 * a[0] * a[1] % Q


def scale2(a: Fq2, factor: int) -> Fq2:
    return a[0] * factor % Q, a[1] * factor % Q


def conjugate2(a: Fq2) -> Fq2:
    return a[0], -a[1] % Q


def invert2(a: Fq2) -> Fq2:
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, Q)
    return a[0] * norm % Q, -a[1] * norm % Q


def inverses2(values: Sequence[Fq2]) -> list[Fq2]:
    """The inverses of values that are not zero, at the cost of one inversion."""
    norms = inverses([(a * a + b * b) % Q for a, b in values], Q)
    return [(a * norm % Q, -b * norm % Q) for (a, b), norm in zip(values, norms)]


def power2(a: Fq2, exponent: int) -> Fq2:
    result = ONE2
    for bit in bin(exponent)[2:]:
        result = square2(result)
        if bit == "1":
            result = multiply2(result, a)
    return result
