"""The optimal ate pairing of BN254, for checking proofs: pure Python, without further packages.

An element of the field of degree twelve is a list of six pairs, the coefficients of a polynomial
in w over Fq2 with w⁶ = 9+i. A point (x, y) of G2 stands for (x·w², y·w³) on G1's curve.
"""

from __future__ import annotations

from typing import List, Sequence, Tuple

from hokusai.zk import g1, g2
from hokusai.zk.field import (
    ONE2,
    ZERO2,
    Fq2,
    Q,
    conjugate2,
    invert2,
    multiply2,
    power2,
    scale2,
    square2,
    subtract2,
)

Fq12 = List[Fq2]
# For each line of Miller's loop: its slope, and slope·x - y at a point of it.
Lines = Sequence[Tuple[Fq2, Fq2]]

_X = 4965661367192848881
_LOOP = bin(6 * _X + 2)[3:]
_XI = (9, 1)
_ONE: Fq12 = [ONE2] + [ZERO2] * 5
# What raising to the power Q multiplies the coefficient of wⁿ by.
_FROBENIUS = [power2(_XI, n * (Q - 1) // 6) for n in range(6)]


def lines(point: g2.Point) -> Lines:
    """What Miller's loop needs of a point of G2, which can be kept for a point used often."""
    if point is None:
        return ()
    result = []
    current = point

    def step(other: tuple[Fq2, Fq2]) -> None:
        nonlocal current
        (x1, y1), (x2, y2) = current, other
        if x1 == x2:
            square = square2(x1)
            slope = multiply2(scale2(square, 3), invert2(scale2(y1, 2)))
        else:
            slope = multiply2(subtract2(y2, y1), invert2(subtract2(x2, x1)))
        a, b = square2(slope)
        x3 = ((a - x1[0] - x2[0]) % Q, (b - x1[1] - x2[1]) % Q)
        result.append((slope, subtract2(multiply2(slope, x1), y1)))
        current = x3, subtract2(multiply2(slope, subtract2(x1, x3)), y1)

    for bit in _LOOP:
        step(current)
        if bit == "1":
            step(point)
    once = _frobenius_of_point(point)
    step(once)
    x, y = _frobenius_of_point(once)
    step((x, subtract2(ZERO2, y)))
    return result


def is_one(pairs: Sequence[tuple[g1.Point, Lines]]) -> bool:
    """Whether the product of the pairings is one.

    Args:
        pairs: Points of G1, each with the `lines` of one of G2. A pair with the point at infinity
            contributes nothing, since its pairing is one.
    """
    return pairing_product(pairs) == _ONE


def pairing_product(pairs: Sequence[tuple[g1.Point, Lines]]) -> Fq12:
    """The product of the pairings."""
    used = [(point, iter(of)) for point, of in pairs if point is not None and of]
    f = _ONE

    def step() -> None:
        nonlocal f
        for (x, y), remaining in used:
            slope, constant = next(remaining)
            f = _multiply_by_line(f, y, scale2(slope, -x), constant)

    for bit in _LOOP:
        f = _multiply(f, f)
        step()
        if bit == "1":
            step()
    step()
    step()
    return _final_power(f)


def _frobenius_of_point(point: tuple[Fq2, Fq2]) -> tuple[Fq2, Fq2]:
    x, y = point
    return multiply2(conjugate2(x), _FROBENIUS[2]), multiply2(conjugate2(y), _FROBENIUS[3])


def _multiply(a: Fq12, b: Fq12) -> Fq12:
    real, imaginary = [0] * 11, [0] * 11
    for i, (ar, ai) in enumerate(a):
        for j, (br, bi) in enumerate(b, i):
            real[j] += ar * br - ai * bi
            imaginary[j] += ar * bi + ai * br
    return _fold(real, imaginary)


def _multiply_by_line(a: Fq12, constant: int, first: Fq2, third: Fq2) -> Fq12:
    """Multiply by `constant + first·w + third·w³`."""
    real, imaginary = [0] * 11, [0] * 11
    (fr, fi), (tr, ti) = first, third
    for i, (ar, ai) in enumerate(a):
        real[i] += ar * constant
        imaginary[i] += ai * constant
        real[i + 1] += ar * fr - ai * fi
        imaginary[i + 1] += ar * fi + ai * fr
        real[i + 3] += ar * tr - ai * ti
        imaginary[i + 3] += ar * ti + ai * tr
    return _fold(real, imaginary)


def _fold(real: list[int], imaginary: list[int]) -> Fq12:
    """Replace w⁶ by 9+i."""
    result = []
    for n in range(6):
        a, b = real[n], imaginary[n]
        if n < 5:
            a += 9 * real[n + 6] - imaginary[n + 6]
            b += 9 * imaginary[n + 6] + real[n + 6]
        result.append((a % Q, b % Q))
    return result


def _conjugate(a: Fq12) -> Fq12:
    """The power Q⁶, which replaces w by -w. Of an element of the target group, the inverse."""
    return [subtract2(ZERO2, c) if n % 2 else c for n, c in enumerate(a)]


def _frobenius(a: Fq12, times: int) -> Fq12:
    """The power Q, as often as `times` says."""
    for _ in range(times):
        a = [multiply2(conjugate2(c), factor) for c, factor in zip(a, _FROBENIUS)]
    return a


def _power(a: Fq12, exponent: int) -> Fq12:
    result = a
    for bit in bin(exponent)[3:]:
        result = _multiply(result, result)
        if bit == "1":
            result = _multiply(result, a)
    return result


def _invert(a: Fq12) -> Fq12:
    """The inverse, by way of the norm in the field of degree six, a polynomial in v = w²."""
    conjugate = _conjugate(a)
    norm = _multiply(a, conjugate)
    c0, c1, c2 = norm[0], norm[2], norm[4]
    t0 = subtract2(square2(c0), multiply2(_XI, multiply2(c1, c2)))
    t1 = subtract2(multiply2(_XI, square2(c2)), multiply2(c0, c1))
    t2 = subtract2(square2(c1), multiply2(c0, c2))
    inverse: Fq12 = [t0, ZERO2, t1, ZERO2, t2, ZERO2]
    scale = invert2(_multiply(norm, inverse)[0])
    return [multiply2(c, scale) for c in _multiply(conjugate, inverse)]


def _final_power(f: Fq12) -> Fq12:
    """The power (Q¹² - 1)/R, which maps what Miller's loop gives to the target group."""
    f = _multiply(_conjugate(f), _invert(f))
    f = _multiply(_frobenius(f, 2), f)
    # (Q⁴ - Q² + 1)/R = Q³ + (6x²+1)·Q² - (36x³+18x²+12x-1)·Q - (36x³+30x²+18x+2)
    x1 = _power(f, _X)
    x2 = _power(x1, _X)
    x3 = _power(_power(x2, _X), 36)
    low = _multiply(_multiply(x3, _power(x2, 30)), _multiply(_power(x1, 18), _power(f, 2)))
    middle = _multiply(_multiply(x3, _power(x2, 18)), _multiply(_power(x1, 12), _conjugate(f)))
    high = _multiply(_power(x2, 6), f)
    return _multiply(
        _multiply(_frobenius(f, 3), _frobenius(high, 2)),
        _multiply(_frobenius(_conjugate(middle), 1), _conjugate(low)),
    )
