"""Tail probabilities of the normal and the binomial distribution, each as the double next to it."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

from hokusai.verify.fixed_point import (
    LN_2,
    ONE,
    exponential,
    logarithm,
    nearest_double,
    ratio,
    root,
    times,
)

# 50 decimals.
PI = ratio(314159265358979323846264338327950288419716939937510, 10**50)
# Up to this z the series is used, and above it, where it would cancel, the continued fraction.
_LARGE = 6 * ONE
_FRACTIONS = 200
# Up to here factorials are exact, and above it by Stirling's series.
_SMALL = 1000
# B(2k) / (2k (2k - 1)), of Stirling's series.
STIRLING = (
    (1, 12),
    (-1, 360),
    (1, 1260),
    (-1, 1680),
    (1, 1188),
    (-691, 360360),
    (1, 156),
    (-3617, 122400),
)
# Bits of the sum of a binomial tail.
_SUM = 256


def upper_normal_tail(sign: int, z_squared: Fraction) -> float:
    """Return the probability that a standard normal variable is above z.

    Args:
        sign: 1 or -1, that of z.
        z_squared: z².
    """
    square = ratio(z_squared.numerator, z_squared.denominator)
    z = root(square)
    density = exponential(-square // 2) * ONE // root(2 * PI)
    if z < _LARGE:
        tail = ONE // 2 - times(density, _normal_series(z, square))
    else:
        tail = density * ONE // _normal_fraction(z)
    return nearest_double(tail if sign > 0 else ONE - tail)


def exact_mcnemar(baseline_only: int, improved_only: int) -> float:
    """Return the two-sided p-value of McNemar's exact test, from the discordant pairs.

    That is the probability that a fair coin, thrown once for each pair, is at least as uneven.
    """
    pairs, fewer = baseline_only + improved_only, min(baseline_only, improved_only)
    if 2 * fewer >= pairs - 1:
        return 1.0
    if pairs <= _SMALL:
        # In whole numbers: it may lie exactly between two doubles.
        ways = outcomes = 1
        for k in range(fewer):
            ways = ways * (pairs - k) // (k + 1)
            outcomes += ways
        return outcomes / (1 << (pairs - 1))
    # The terms below `fewer`, relative to its own.
    term = total = 1 << _SUM
    for k in range(fewer, 0, -1):
        term = term * k // (pairs - k + 1)
        if not term:
            break
        total += term
    binomial = _ln_factorial(pairs) - _ln_factorial(fewer) - _ln_factorial(pairs - fewer)
    largest = exponential(min(0, binomial - (pairs - 1) * LN_2))
    return nearest_double(min(ONE, largest * total >> _SUM))


def _normal_series(z: int, square: int) -> int:
    """(Φ(z) - 1/2) / φ(z) = z + z³/3 + z⁵/(3·5) + …"""
    term, total, k = z, 0, 1
    while term:
        total += term
        k += 2
        term = times(term, square) // k
    return total


def _normal_fraction(z: int) -> int:
    """φ(z) / (1 - Φ(z)) = z + 1/(z + 2/(z + 3/(z + …))): Laplace's continued fraction."""
    value = z
    for k in range(_FRACTIONS, 0, -1):
        value = z + k * ONE * ONE // value
    return value


def _ln_factorial(n: int) -> int:
    if n <= _SMALL:
        return logarithm(factorial(n))
    series = sum(
        ratio(numerator, denominator * n ** (2 * k + 1))
        for k, (numerator, denominator) in enumerate(STIRLING)
    )
    # ln √(2πn) by the logarithm of a whole number: 2π has as many bits as PI.
    return n * logarithm(n) - n * ONE + (logarithm(2 * n) + _LN_PI) // 2 + series


_LN_PI = logarithm(314159265358979323846264338327950288419716939937510) - logarithm(10**50)
