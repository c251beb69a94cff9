"""Polynomials over the scalars, by their values at the roots of unity."""

from __future__ import annotations

from typing import Sequence

from hokusai.zk.field import R, inverses, root_of_unity


def transform(values: Sequence[int], powers: Sequence[int]) -> list[int]:
    """The values, at the powers of a root of unity, of the polynomial with these coefficients.

    Args:
        values: The coefficients; their number is a power of two.
        powers: The first half of the powers of the root.
    """
    if len(values) == 1:
        return list(values)
    halved = powers[::2]
    even, odd = transform(values[::2], halved), transform(values[1::2], halved)
    turned = [value * power % R for value, power in zip(odd, powers)]
    return [(a + b) % R for a, b in zip(even, turned)] + [(a - b) % R for a, b in zip(even, turned)]


def powers(base: int, count: int, first: int = 1) -> list[int]:
    """`count` powers of a base, times `first`."""
    result = [first]
    for _ in range(count - 1):
        result.append(result[-1] * base % R)
    return result


class Shift:
    """From the values of a polynomial at the roots of unity to those between them."""

    def __init__(self, size: int) -> None:
        self._roots = powers(root_of_unity(size), size // 2)
        self._inverse_roots = powers(pow(root_of_unity(size), -1, R), size // 2)
        self._steps = powers(root_of_unity(2 * size), size, pow(size, -1, R))

    def __call__(self, values: Sequence[int]) -> list[int]:
        coefficients = transform(values, self._inverse_roots)
        return transform(
            [value * step % R for value, step in zip(coefficients, self._steps)], self._roots
        )


def lagrange(places: Sequence[int], size: int, at: int) -> list[int]:
    """The values at one point of polynomials that are 1 at one root of unity, 0 at all others.

    Args:
        places: The roots of unity for which the values are wanted.
        size: The number of all roots.
        at: The point, which is not a root.
    """
    scale = (pow(at, size, R) - 1) * pow(size, -1, R) % R
    distances = inverses([(at - place) % R for place in places], R)
    return [scale * place % R * distance % R for place, distance in zip(places, distances)]
