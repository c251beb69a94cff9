"""The group G1 of BN254: the curve y² = x³ + 3 over the field of coordinates.

A point is a pair of coordinates, or None for the point at infinity. Sums of many points work on
whole lists, so that one inversion serves all of them.
"""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from hokusai.zk.field import Q, inverses

Point = Optional[Tuple[int, int]]
# X, Y, Z with x = X/Z² and y = Y/Z³; None is the point at infinity.
Jacobian = Optional[Tuple[int, int, int]]

GENERATOR: Point = (1, 2)


def is_on_curve(point: Point) -> bool:
    """Whether the point is one, with reduced coordinates. All have the order of the group."""
    if point is None:
        return True
    x, y = point
    return 0 <= x < Q and 0 <= y < Q and (y * y - x**3 - 3) % Q == 0


def negate(point: Point) -> Point:
    return None if point is None else (point[0], -point[1] % Q)


def lift(point: Point) -> Jacobian:
    return None if point is None else (point[0], point[1], 1)


def double(point: Jacobian) -> Jacobian:
    if point is None:
        return None
    x, y, z = point
    a, b = x * x % Q, y * y % Q
    c = b * b % Q
    d = 2 * ((x + b) * (x + b) - a - c) % Q
    e = 3 * a
    x3 = (e * e - 2 * d) % Q
    return x3, (e * (d - x3) - 8 * c) % Q, 2 * y * z % Q


def add(first: Jacobian, second: Jacobian) -> Jacobian:
    if first is None:
        return second
    if second is None:
        return first
    (x1, y1, z1), (x2, y2, z2) = first, second
    a, b = z1 * z1 % Q, z2 * z2 % Q
    u, s = x1 * b % Q, y1 * z2 * b % Q
    h, r = (x2 * a - u) % Q, (y2 * z1 * a - s) % Q
    if h == 0:
        return double(first) if r == 0 else None
    hh = h * h % Q
    hhh, v = h * hh % Q, u * hh % Q
    x3 = (r * r - hhh - 2 * v) % Q
    return x3, (r * (v - x3) - s * hhh) % Q, z1 * z2 * h % Q


def settle(point: Jacobian) -> Point:
    """The point in plain coordinates."""
    if point is None:
        return None
    inverse = pow(point[2], -1, Q)
    square = inverse * inverse % Q
    return point[0] * square % Q, point[1] * square * inverse % Q


def add_each(firsts: Sequence[Point], seconds: Sequence[Point]) -> list[Point]:
    """The sums of the pairs."""
    slopes = []
    for p, q in zip(firsts, seconds):
        if p is None or q is None:
            slopes.append(1)
        elif p[0] != q[0]:
            slopes.append(q[0] - p[0])
        else:
            # A point and itself; of a point and its opposite the slope is not used.
            slopes.append(2 * p[1] if p[1] == q[1] else 1)
    result: list[Point] = []
    for p, q, inverse in zip(firsts, seconds, inverses(slopes, Q)):
        if p is None or q is None:
            result.append(p or q)
            continue
        (x1, y1), (x2, y2) = p, q
        if x1 != x2:
            slope = (y2 - y1) * inverse % Q
        elif y1 == y2:
            slope = 3 * x1 * x1 * inverse % Q
        else:
            result.append(None)
            continue
        x3 = (slope * slope - x1 - x2) % Q
        result.append((x3, (slope * (x1 - x3) - y1) % Q))
    return result
