"""Tail probabilities to more digits than a double has: of the normal and the binomial distribution.

They are computed in decimal, so that each gateway and each verifier gets the same double.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

# Decimal digits of every computation: a double has 17.
DIGITS = 60
PI = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923")
# Terms that change no digit any more.
NEGLIGIBLE = Decimal(10) ** -40
# From here on the continued fraction is used: the series would lose digits by cancellation.
_LARGE = 6
_FRACTIONS = 200
# Up to here whole numbers are used, and above it Stirling's series.
_SMALL = 1000
# B(2k) / (2k (2k - 1)), of Stirling's series.
STIRLING = (
    Fraction(1, 12),
    Fraction(-1, 360),
    Fraction(1, 1260),
    Fraction(-1, 1680),
    Fraction(1, 1188),
    Fraction(-691, 360360),
    Fraction(1, 156),
    Fraction(-3617, 122400),
)


def upper_normal_tail(sign: int, z_squared: Fraction) -> float:
    """The probability that a standard normal variable is above z, the root of z² with this sign."""
    with localcontext(prec=DIGITS):
        square = decimal_of(z_squared)
        z = square.sqrt()
        density = (-square / 2).exp() / (2 * PI).sqrt()
        if z < _LARGE:
            tail = Decimal("0.5") - density * _normal_series(z)
        else:
            tail = density / _normal_fraction(z)
        return float(tail if sign >= 0 else 1 - tail)


def exact_mcnemar(baseline_only: int, improved_only: int) -> float:
    """The two-sided p-value of McNemar's exact test, from the discordant pairs.

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
        return float(Fraction(outcomes, 2 ** (pairs - 1)))
    with localcontext(prec=DIGITS):
        logarithm = _ln_binomial(pairs, fewer) - (pairs - 1) * Decimal(2).ln()
        # The terms below `fewer`, relative to its own.
        term = total = Decimal(1)
        for k in range(fewer, 0, -1):
            term = term * k / (pairs - k + 1)
            if term < total * NEGLIGIBLE:
                break
            total += term
        return float(min(Decimal(1), total * logarithm.exp()))


def _normal_series(z: Decimal) -> Decimal:
    """(Φ(z) - 1/2) / φ(z) = z + z³/3 + z⁵/(3·5) + …, where no term is negative."""
    term = total = z
    k = 1
    while term > total * NEGLIGIBLE:
        k += 2
        term = term * z * z / k
        total += term
    return total


def _normal_fraction(z: Decimal) -> Decimal:
    """φ(z) / (1 - Φ(z)) = z + 1/(z + 2/(z + 3/(z + …))): Laplace's continued fraction."""
    value = z
    for k in range(_FRACTIONS, 0, -1):
        value = z + k / value
    return value


def _ln_binomial(n: int, k: int) -> Decimal:
    return _ln_factorial(n) - _ln_factorial(k) - _ln_factorial(n - k)


def _ln_factorial(n: int) -> Decimal:
    if n <= _SMALL:
        return Decimal(math.factorial(n)).ln()
    x = Decimal(n)
    series = sum(
        (decimal_of(factor) / x ** (2 * k + 1) for k, factor in enumerate(STIRLING)), Decimal(0)
    )
    return x * x.ln() - x + (2 * PI * x).ln() / 2 + series


def decimal_of(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
