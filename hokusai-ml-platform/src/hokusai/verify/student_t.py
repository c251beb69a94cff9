"""Student's t distribution: its upper tail as the double next to it, and its quantile.

With n degrees of freedom, the tail is half of the regularised incomplete beta function
I_x(n/2, 1/2) at x = n / (n + t²) (Abramowitz and Stegun, Handbook of Mathematical Functions,
26.7.1 and 26.5.8). Numbers are those of `fixed_point`.
"""

from __future__ import annotations

from fractions import Fraction

from hokusai.verify.fixed_point import (
    BITS,
    LN_2,
    ONE,
    exponential,
    logarithm,
    nearest_double,
    ratio,
    root,
    times,
)
from hokusai.verify.tail_probabilities import PI, STIRLING

# The one-sided probability outside a two-sided interval of 95 %.
_TAIL = ratio(1, 40)
# From here on Stirling's series has the digits that are needed.
_LARGE = 100 * ONE
# Where the quantile is searched from: that of the normal distribution is below every other one.
_START = ratio(195, 100)
_HALF = ONE // 2
# A continued fraction has converged when a step changes it by less than 2^-DIGITS of it.
_DIGITS = 160


def upper_t_tail(sign: int, t_squared: Fraction, freedom: Fraction) -> float:
    """Return the probability that a variable of Student's distribution is above t.

    Args:
        sign: 1 or -1, that of t.
        t_squared: t².
        freedom: The degrees of freedom, at least 1.
    """
    n = _fixed(freedom)
    tail = _tail(_fixed(t_squared), n, _beta(n // 2))
    return nearest_double(tail if sign > 0 else ONE - tail)


def two_sided_t_tail(t_squared: Fraction, freedom: Fraction) -> float:
    """Return the probability that a variable of Student's distribution is outside of ±t."""
    n = _fixed(freedom)
    return nearest_double(2 * _tail(_fixed(t_squared), n, _beta(n // 2)))


def t_quantile(freedom: Fraction) -> int:
    """Return the t above which lies a probability of 0.025, as a number of `fixed_point`."""
    n = _fixed(freedom)
    beta = _beta(n // 2)
    factor = ONE * ONE // times(root(n), beta)
    t, step = _START, ONE
    # The tail is convex: each of Newton's steps ends below the quantile, and nearer to it.
    while step > t >> (_DIGITS // 2):
        square = times(t, t)
        power = _logarithm(n) - _logarithm(n + square)
        density = times(factor, exponential(times((n + ONE) // 2, power)))
        step = (_tail(square, n, beta) - _TAIL) * ONE // density
        t += step
    return t


def _tail(square: int, n: int, beta: int) -> int:
    """The probability above the positive root of t². beta: B(n/2, 1/2)."""
    if square == 0:
        return _HALF
    a, whole = n // 2, n + square
    x, y = n * ONE // whole, square * ONE // whole
    power = exponential(times(a, _logarithm(n) - _logarithm(whole)))
    factor = times(power, root(y)) * ONE // beta
    # Each fraction converges fast on its own side of the mean.
    if x < (a + ONE) * ONE // (a + 5 * _HALF):
        return times(factor, _fraction(a, _HALF, x)) * ONE // a // 2
    return _HALF - times(factor, _fraction(_HALF, a, y))


def _fraction(a: int, b: int, x: int) -> int:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c = ONE
    d = ONE * ONE // (ONE - times(a + b, x) * ONE // (a + ONE))
    value = d
    m = 0
    while True:
        m += 1
        before, k = value, m * ONE
        above = a + 2 * k
        for term in (
            times(m * (b - k), x) * ONE // times(above - ONE, above),
            -times(times(a + k, a + b + k), x) * ONE // times(above, above + ONE),
        ):
            d = ONE * ONE // (ONE + times(term, d))
            c = ONE + term * ONE // c
            value = times(value, times(c, d))
        if abs(value - before) <= value >> _DIGITS:
            return value


def _beta(a: int) -> int:
    """B(a, 1/2) = Γ(a) Γ(1/2) / Γ(a + 1/2)."""
    # Γ(a) / Γ(a + 1/2) is that of a + 1, times (a + 1/2) / a.
    shifted = ONE
    while a < _LARGE:
        shifted = shifted * (a + _HALF) // a
        a += ONE
    return times(times(shifted, exponential(_ln_gamma(a) - _ln_gamma(a + _HALF))), root(PI))


def _ln_gamma(x: int) -> int:
    """ln Γ(x) without ln √(2π), by Stirling's series."""
    power = ONE * ONE // x
    square, series = times(power, power), 0
    for numerator, denominator in STIRLING:
        series += power * numerator // denominator
        power = times(power, square)
    return times(x - _HALF, _logarithm(x)) - x + series


def _logarithm(number: int) -> int:
    """The natural logarithm of a number above 0."""
    return logarithm(number) - BITS * LN_2


def _fixed(number: Fraction) -> int:
    return ratio(number.numerator, number.denominator)
