"""Real numbers as whole multiples of 2^-BITS, for results that are the same double everywhere.

Whole numbers are exact in each language. So many bits leave a tail probability as small as the
smallest double its leading 300 bits.
"""

from __future__ import annotations

from math import isqrt

BITS = 1400
ONE = 1 << BITS


def ratio(numerator: int, denominator: int) -> int:
    """Return a fraction. The denominator is above 0."""
    return (numerator << BITS) // denominator


def times(one: int, other: int) -> int:
    """Return a product."""
    return one * other >> BITS


def root(number: int) -> int:
    """Return the root of a number that is not negative."""
    return isqrt(number << BITS)


def nearest_double(number: int) -> float:
    """Return the double next to a number."""
    return number / ONE


def _atanh(numerator: int, denominator: int) -> int:
    """The inverse hyperbolic tangent of a fraction of at most 1/3: y + y³/3 + y⁵/5 + …"""
    power, total, k = ratio(numerator, denominator), 0, 1
    square = times(power, power)
    while power:
        total += power // k
        power = times(power, square)
        k += 2
    return total


LN_2 = 2 * _atanh(1, 3)


def logarithm(number: int) -> int:
    """Return the natural logarithm of a whole number above 0."""
    # number = m·2^k with 1 <= m < 2, and ln m = 2·atanh((m - 1)/(m + 1)).
    k = number.bit_length() - 1
    return k * LN_2 + 2 * _atanh(number - (1 << k), number + (1 << k))


def exponential(number: int) -> int:
    """Return e to the power of a number that is not above 0."""
    # -number = k·ln 2 + rest
    k, rest = divmod(-number, LN_2)
    term, total, n = ONE, 0, 0
    while term:
        total += term if n % 2 == 0 else -term
        n += 1
        term = times(term, rest) // n
    return total >> k
