"""The group G2 of BN254: the subgroup of order R of the curve y² = x³ + 3/(9+i) over Fq2.

The functions are those of `g1`, with coordinates that are pairs of integers.
"""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from hokusai.zk.field import (
    ONE2,
    ZERO2,
    Fq2,
    Q,
    R,
    add2,
    inverses2,
    invert2,
    multiply2,
    scale2,
    square2,
    subtract2,
)

Point = Optional[Tuple[Fq2, Fq2]]
Jacobian = Optional[Tuple[Fq2, Fq2, Fq2]]

# From EIP-197.
GENERATOR: Point = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)
_B = scale2(invert2((9, 1)), 3)


def is_on_curve(point: Point) -> bool:
    """Whether the point is one of the curve, with reduced coordinates."""
    if point is None:
        return True
    x, y = point
    return all(0 <= n < Q for n in x + y) and square2(y) == add2(multiply2(square2(x), x), _B)


def is_in_subgroup(point: Point) -> bool:
    """Whether a point of the curve has the order R. Most points of the curve have not."""
    total: Jacobian = None
    for bit in bin(R)[2:]:
        total = double(total)
        if bit == "1":
            total = add(total, lift(point))
    return total is None


def negate(point: Point) -> Point:
    return None if point is None else (point[0], subtract2(ZERO2, point[1]))


def lift(point: Point) -> Jacobian:
    return None if point is None else (point[0], point[1], ONE2)


def double(point: Jacobian) -> Jacobian:
    if point is None:
        return None
    x, y, z = point
    a, b = square2(x), square2(y)
    c = square2(b)
    d = scale2(subtract2(subtract2(square2(add2(x, b)), a), c), 2)
    e = scale2(a, 3)
    x3 = subtract2(square2(e), scale2(d, 2))
    y3 = subtract2(multiply2(e, subtract2(d, x3)), scale2(c, 8))
    return x3, y3, scale2(multiply2(y, z), 2)


def add(first: Jacobian, second: Jacobian) -> Jacobian:
    if first is None:
        return second
    if second is None:
        return first
    (x1, y1, z1), (x2, y2, z2) = first, second
    a, b = square2(z1), square2(z2)
    u, s = multiply2(x1, b), multiply2(multiply2(y1, z2), b)
    h = subtract2(multiply2(x2, a), u)
    r = subtract2(multiply2(multiply2(y2, z1), a), s)
    if h == ZERO2:
        return double(first) if r == ZERO2 else None
    hh = square2(h)
    hhh, v = multiply2(h, hh), multiply2(u, hh)
    x3 = subtract2(subtract2(square2(r), hhh), scale2(v, 2))
    y3 = subtract2(multiply2(r, subtract2(v, x3)), multiply2(s, hhh))
    return x3, y3, multiply2(multiply2(z1, z2), h)


def settle(point: Jacobian) -> Point:
    """The point in plain coordinates."""
    if point is None:
        return None
    inverse = invert2(point[2])
    square = square2(inverse)
    return multiply2(point[0], square), multiply2(point[1], multiply2(square, inverse))


def add_each(firsts: Sequence[Point], seconds: Sequence[Point]) -> list[Point]:
    """The sums of the pairs."""
    slopes = []
    for p, q in zip(firsts, seconds):
        if p is None or q is None:
            slopes.append(ONE2)
        elif p[0] != q[0]:
            slopes.append(subtract2(q[0], p[0]))
        else:
            slopes.append(scale2(p[1], 2) if p[1] == q[1] else ONE2)
    result: list[Point] = []
    for p, q, inverse in zip(firsts, seconds, inverses2(slopes)):
        if p is None or q is None:
            result.append(p or q)
            continue
        (x1, y1), (x2, y2) = p, q
        if x1 != x2:
            slope = multiply2(subtract2(y2, y1), inverse)
        elif y1 == y2:
            slope = multiply2(scale2(square2(x1), 3), inverse)
        else:
            result.append(None)
            continue
        a, b = square2(slope)
        x3 = ((a - x1[0] - x2[0]) % Q, (b - x1[1] - x2[1]) % Q)
        result.append((x3, subtract2(multiply2(slope, subtract2(x1, x3)), y1)))
    return result
