"""The test of Mann and Whitney (1947): whether one of two samples tends to have higher scores."""

from __future__ import annotations

from fractions import Fraction

from hokusai.verify.tail_probabilities import upper_normal_tail

# Where both samples are smaller than this, and no scores are equal, the orders are counted.
_SMALL = 50


def is_exact(sizes: tuple[int, int], tie_term: int) -> bool:
    """Return whether the probability is counted."""
    return tie_term == 0 and max(sizes) < _SMALL


def exact_upper_tail(u: int, sizes: tuple[int, int]) -> Fraction:
    """Return the probability that U is at least `u`, if both samples are of one distribution."""
    # As many orders have U = n·m - u as have U = u.
    n, m = sizes
    most = n * m - u
    ways = [1] + [0] * most
    # The product of (1 - q^(n + k)) / (1 - q^k) for k from 1 to m, up to the power `most` of q.
    for k in range(1, m + 1):
        for power in range(most, n + k - 1, -1):
            ways[power] -= ways[power - n - k]
        for power in range(k, most + 1):
            ways[power] += ways[power - k]
    orders = 1
    for k in range(1, m + 1):
        orders = orders * (n + k) // k
    return Fraction(sum(ways), orders)


def z_of(u: Fraction, sizes: tuple[int, int], tie_term: int) -> tuple[int, Fraction] | None:
    """Return the sign and the square of z, with the corrections for ties and for continuity.

    None where all scores are equal.
    """
    n, m = sizes
    total = n + m
    variance = Fraction(n * m, 12) * (total + 1 - Fraction(tie_term, total * (total - 1)))
    if variance == 0:
        return None
    distance = u - Fraction(n * m, 2) - Fraction(1, 2)
    return (1 if distance >= 0 else -1), distance**2 / variance


def upper_tail(z: tuple[int, Fraction] | None) -> float:
    """Return the probability of such a z, or a larger one."""
    return 1.0 if z is None else upper_normal_tail(*z)
