"""Student's t distribution, to more digits than a double has.

Computed in decimal, as `tail_probabilities`, so that each gateway and each verifier gets the same
double. With n degrees of freedom, the upper tail is half of the regularised incomplete beta
function I_x(n/2, 1/2) at x = n / (n + t²) (Abramowitz and Stegun, Handbook of Mathematical
Functions, 26.7.1 and 26.5.8).
"""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from app.control_plane.benchmarks.tail_probabilities import (
    DIGITS,
    NEGLIGIBLE,
    PI,
    STIRLING,
    decimal_of,
)

# The one-sided probability outside a two-sided interval of 95 %.
TAIL: Final = Decimal("0.025")
# From here on Stirling's series has the digits that are needed.
_LARGE: Final = 100
# Where the quantile is searched from: that of the normal distribution is below every other one.
_START: Final = Decimal("1.95")
_ONE: Final = Decimal(1)
_HALF: Final = Decimal("0.5")


def upper_t_tail(sign: int, t_squared: Fraction, freedom: Fraction) -> float:
    """The probability that a variable of Student's distribution is above t.

    t is the root of t² with this sign. freedom: the degrees of freedom, at least 1.
    """
    with localcontext(prec=DIGITS):
        tail = _tail(decimal_of(t_squared), decimal_of(freedom))
        return float(tail if sign >= 0 else 1 - tail)


def two_sided_t_tail(t_squared: Fraction, freedom: Fraction) -> float:
    """The probability that a variable of Student's distribution is outside of ±t.

    It is rounded once: of a very small tail, twice the double is not the double of twice the tail.
    """
    with localcontext(prec=DIGITS):
        return float(2 * _tail(decimal_of(t_squared), decimal_of(freedom)))


def t_quantile(freedom: Fraction) -> Decimal:
    """The t above which lies a probability of 0.025. freedom: at least 1.

    The tail is convex, so that each of Newton's steps ends below the quantile, and nearer to it.
    """
    with localcontext(prec=DIGITS):
        nu = decimal_of(freedom)
        factor = 1 / (nu.sqrt() * _beta(nu / 2))
        t, step = _START, _ONE
        while step > t * NEGLIGIBLE.sqrt():
            density = factor * (-(nu + 1) / 2 * (1 + t * t / nu).ln()).exp()
            step = (_tail(t * t, nu) - TAIL) / density
            t += step
        return t


def _tail(square: Decimal, nu: Decimal) -> Decimal:
    """The probability above the positive root of t²."""
    a, x, y = nu / 2, nu / (nu + square), square / (nu + square)
    if not square:
        return _HALF
    factor = (a * x.ln()).exp() * y.sqrt() / _beta(a)
    # Each fraction converges fast on its own side of the mean.
    if x < (a + 1) / (a + Decimal("2.5")):
        return factor / a * _fraction(a, _HALF, x) / 2
    return (1 - 2 * factor * _fraction(_HALF, a, y)) / 2


def _fraction(a: Decimal, b: Decimal, x: Decimal) -> Decimal:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = _ONE, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    m = 0
    while True:
        m += 1
        before = value
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            value *= c * d
        if abs(value - before) < value * NEGLIGIBLE:
            return value


def _beta(a: Decimal) -> Decimal:
    """B(a, 1/2) = Γ(a) Γ(1/2) / Γ(a + 1/2)."""
    # Γ(a) / Γ(a + 1/2) is that of a + 1, times (a + 1/2) / a.
    ratio = _ONE
    while a < _LARGE:
        ratio *= (a + _HALF) / a
        a += 1
    return ratio * (_ln_gamma(a) - _ln_gamma(a + _HALF)).exp() * PI.sqrt()


def _ln_gamma(x: Decimal) -> Decimal:
    """ln Γ(x) without ln √(2π), by Stirling's series. x: at least `_LARGE`."""
    series = sum(
        (decimal_of(factor) / x ** (2 * k + 1) for k, factor in enumerate(STIRLING)), Decimal(0)
    )
    return (x - _HALF) * x.ln() - x + series
