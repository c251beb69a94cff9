"""Multiples of points, in G1 and in G2: sums of many multiples, and many multiples of one point."""

from __future__ import annotations

from typing import Any, Sequence

from hokusai.zk.field import R

_BITS = R.bit_length()
# Windows of the tables for one point: 32 tables of 255 points.
_WIDTH = 8


def multiply(group: Any, point: Any, scalar: int) -> Any:
    """A multiple of one point.

    Args:
        group: The module `g1` or `g2`.
        point: The point.
        scalar: Any integer.
    """
    return sum_of_multiples(group, [point], [scalar % R])


def sum_of_multiples(group: Any, points: Sequence[Any], scalars: Sequence[int]) -> Any:
    """Pippenger's method: the sum of each point times its scalar.

    In each window of bits, the points with equal digits are added first.

    Args:
        group: The module `g1` or `g2`.
        points: The points.
        scalars: As many integers in `range(R)`.
    """
    pairs = [(p, s) for p, s in zip(points, scalars) if s and p is not None]
    # Many are bits, and need no windows.
    ones = _sum(group, [p for p, s in pairs if s == 1])
    pairs = [(p, s) for p, s in pairs if s != 1]
    if not pairs:
        return group.settle(ones)
    # Wider windows have fewer sums of all points, but more buckets.
    width = max(1, min(14, len(pairs).bit_length() - 5))
    mask = (1 << width) - 1
    total = None
    for shift in range((_BITS - 1) // width * width, -1, -width):
        for _ in range(width):
            total = group.double(total)
        buckets: dict[int, list[Any]] = {}
        for point, scalar in pairs:
            digit = scalar >> shift & mask
            if digit:
                buckets.setdefault(digit, []).append(point)
        total = group.add(total, _weighted(group, _reduce(group, buckets)))
    return group.settle(group.add(total, ones))


def multiples_of(group: Any, point: Any, scalars: Sequence[int]) -> list[Any]:
    """The multiples of one point by many scalars."""
    base = group.lift(point)
    result: list[Any] = [None] * len(scalars)
    for shift in range(0, _BITS, _WIDTH):
        table, entry = [None], None
        for _ in range((1 << _WIDTH) - 1):
            entry = group.add(entry, base)
            table.append(group.settle(entry))
        digits = [table[s >> shift & (1 << _WIDTH) - 1] for s in scalars]
        result = group.add_each(result, digits)
        base = group.add(entry, base)
    return result


def _sum(group: Any, points: list[Any]) -> Any:
    return group.lift(_reduce(group, {1: points}).get(1))


def _reduce(group: Any, buckets: dict[int, list[Any]]) -> dict[int, Any]:
    """Add up the points of each bucket, a layer of pairs of all buckets at a time."""
    while True:
        firsts, seconds, digits = [], [], []
        for digit, points in buckets.items():
            while len(points) > 1:
                firsts.append(points.pop())
                seconds.append(points.pop())
                digits.append(digit)
            # A point that is left over waits for the next layer.
        if not firsts:
            return {digit: points[0] for digit, points in buckets.items() if points}
        for digit, point in zip(digits, group.add_each(firsts, seconds)):
            if point is not None:
                buckets[digit].append(point)


def _weighted(group: Any, sums: dict[int, Any]) -> Any:
    """The sum of each point times its digit."""
    running = total = None
    for digit in range(max(sums, default=0), 0, -1):
        if digit in sums:
            running = group.add(running, group.lift(sums[digit]))
        total = group.add(total, running)
    return total
