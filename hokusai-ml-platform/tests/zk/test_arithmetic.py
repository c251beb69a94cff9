"""The groups and the pairing, compared with py_ecc, which computes all of it in another way."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest

from hokusai.zk import g1, g2, pairing
from hokusai.zk.field import Q, R, inverses
from hokusai.zk.multiples import multiples_of, multiply, sum_of_multiples

other: Any = importlib.import_module("py_ecc.optimized_bn128")
CHOSEN = random.Random(11)
SCALARS = [0, 1, 2, 3, R - 1, R - 2, 2**128, *(CHOSEN.randrange(R) for _ in range(33))]
GROUPS = [g1, g2]


def in_py_ecc(group: Any, scalar: int) -> Any:
    """A multiple of the generator, as py_ecc computes it."""
    generator = other.G1 if group is g1 else other.G2
    product = other.multiply(generator, scalar % R)
    if other.is_inf(product):
        return None
    x, y = other.normalize(product)
    if group is g1:
        return int(x), int(y)
    return tuple(map(int, x.coeffs)), tuple(map(int, y.coeffs))


@pytest.mark.parametrize("group", GROUPS)
def test_multiples_are_those_of_py_ecc(group: Any) -> None:
    expected = [in_py_ecc(group, scalar) for scalar in SCALARS]

    assert multiples_of(group, group.GENERATOR, SCALARS) == expected
    assert [multiply(group, group.GENERATOR, scalar) for scalar in SCALARS] == expected
    assert all(group.is_on_curve(point) for point in expected)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_a_sum_of_multiples_is_the_multiple_of_the_sum(group: Any, count: int) -> None:
    points = multiples_of(group, group.GENERATOR, SCALARS[:count])
    # Twice the same point, and a point and its opposite, among the rest.
    points += [*points[:3], *map(group.negate, points[:3])]
    scalars = [CHOSEN.choice([0, 1, 5, CHOSEN.randrange(R)]) for _ in points]
    logarithms = [*SCALARS[:count], *SCALARS[:count][:3], *(-s for s in SCALARS[:count][:3])]
    expected = sum(a * b for a, b in zip(scalars, logarithms)) % R

    assert sum_of_multiples(group, points, scalars) == in_py_ecc(group, expected)


@pytest.mark.parametrize("group", GROUPS)
def test_sums_of_special_pairs(group: Any) -> None:
    one, two, three = multiples_of(group, group.GENERATOR, [1, 2, 3])
    pairs = [
        (one, one, two),
        (one, two, three),
        (one, group.negate(one), None),
        (None, one, one),
        (one, None, one),
        (None, None, None),
    ]

    for first, second, expected in pairs:
        assert group.add_each([first], [second]) == [expected]
        lifted = group.add(group.lift(first), group.lift(second))
        assert group.settle(lifted) == expected


@pytest.mark.parametrize(("a", "b"), [(1, 1), (CHOSEN.randrange(R), CHOSEN.randrange(R))])
def test_the_pairing_is_that_of_py_ecc(a: int, b: int) -> None:
    p, q = in_py_ecc(g1, a), in_py_ecc(g2, b)
    expected = other.pairing(other.multiply(other.G2, b), other.multiply(other.G1, a))

    # In py_ecc an element is a polynomial in w over the integers, where i = w⁶ - 9.
    flat = [0] * 12
    for power, (real, imaginary) in enumerate(pairing.pairing_product([(p, pairing.lines(q))])):
        flat[power] = (flat[power] + real - 9 * imaginary) % Q
        flat[power + 6] = (flat[power + 6] + imaginary) % Q

    assert flat == [int(c) for c in expected.coeffs]


def test_a_product_of_pairings_is_one_when_the_exponents_cancel() -> None:
    a, b = CHOSEN.randrange(R), CHOSEN.randrange(R)
    p, q, generator = in_py_ecc(g1, a), in_py_ecc(g2, b), pairing.lines(g2.GENERATOR)
    with_q = pairing.lines(q)

    assert pairing.is_one([(p, with_q), (in_py_ecc(g1, -a * b), generator)])
    assert not pairing.is_one([(p, with_q), (in_py_ecc(g1, -a * b + 1), generator)])
    assert pairing.is_one([(None, with_q), (p, pairing.lines(None))])


def test_most_points_of_the_twisted_curve_are_outside_the_subgroup() -> None:
    assert g2.is_in_subgroup(g2.GENERATOR)
    assert g2.is_in_subgroup(None)
    outside = point_outside_the_subgroup()
    assert g2.is_on_curve(outside)
    assert not g2.is_in_subgroup(outside)


def point_outside_the_subgroup() -> g2.Point:
    """The first point of the twisted curve, by the real part of x."""
    for real in range(1, 100):
        x = other.FQ2([real, 0])
        y = square_root(x * x * x + other.b2)
        if y is not None:
            return (real, 0), (int(y.coeffs[0]), int(y.coeffs[1]))
    raise AssertionError("no such point")


def square_root(value: Any) -> Any:
    """A square root in Fq2, or None, by way of the norm."""
    a, b = map(int, value.coeffs)
    norm = pow(a * a + b * b, (Q + 1) // 4, Q)
    for half in ((a + norm) * pow(2, -1, Q) % Q, (a - norm) * pow(2, -1, Q) % Q):
        real = pow(half, (Q + 1) // 4, Q)
        if real and real * real % Q == half:
            root = other.FQ2([real, b * pow(2 * real, -1, Q) % Q])
            if root * root == value:
                return root
    return None


def test_inverses_of_many_values() -> None:
    values = [1, 2, R - 1, 12345]

    assert [value * inverse % R for value, inverse in zip(values, inverses(values, R))] == [1] * 4
    assert inverses([], R) == []
