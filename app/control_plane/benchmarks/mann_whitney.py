"""The test of Mann and Whitney (1947): whether one of two samples tends to have higher scores.

Exact for small samples without ties; otherwise by the normal distribution, with the variance
corrected for ties (Lehmann, Nonparametrics, 1975, section 1.2) and the continuity correction.
"""

import math
from fractions import Fraction
from typing import Final

from app.control_plane.benchmarks.tail_probabilities import upper_normal_tail

# Both samples are smaller than this where the probabilities are counted: the bound of R.
SMALL: Final = 50


def is_exact(sizes: tuple[int, int], tie_term: int) -> bool:
    """Whether the probability is counted."""
    return tie_term == 0 and max(sizes) < SMALL


def exact_upper_tail(u: int, sizes: tuple[int, int]) -> Fraction:
    """The probability that U is at least `u`, if both samples are of one distribution."""
    # As many orders have U = n·m - u as have U = u.
    ways = _orders(*sizes, most=math.prod(sizes) - u)
    return Fraction(sum(ways), math.comb(sum(sizes), sizes[0]))


def squared_z(u: Fraction, sizes: tuple[int, int], tie_term: int) -> tuple[int, Fraction] | None:
    """The sign and the square of z, which is large where U is; None where all scores are equal."""
    pairs, total = math.prod(sizes), sum(sizes)
    variance = Fraction(pairs, 12) * (total + 1 - Fraction(tie_term, total * (total - 1)))
    if variance == 0:
        return None
    distance = u - Fraction(pairs, 2) - Fraction(1, 2)
    return (1 if distance >= 0 else -1), distance**2 / variance


def approximate_upper_tail(u: Fraction, sizes: tuple[int, int], tie_term: int) -> float:
    """The probability that U is at least `u`, by the normal distribution."""
    z = squared_z(u, sizes, tie_term)
    return 1.0 if z is None else upper_normal_tail(*z)


def _orders(n: int, m: int, most: int) -> list[int]:
    """Of how many orders of n and m scores U is 0, 1, …, `most`: a Gaussian binomial coefficient.

    That is the product of (1 - q^(n + k)) / (1 - q^k) for k from 1 to m.
    """
    ways = [1] + [0] * most
    for k in range(1, m + 1):
        for power in range(most, n + k - 1, -1):
            ways[power] -= ways[power - n - k]
        for power in range(k, most + 1):
            ways[power] += ways[power - k]
    return ways
