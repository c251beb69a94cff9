"""The statement `agreement`: on how many rows each model agrees with the label, for any classes.

Labels and predictions are numbers of classes, below 65,536. The four counts give the accuracy of
both models, and the rows on which only one of the two is right.
"""

from __future__ import annotations

from hokusai.zk.constraints import ConstraintSystem, Linear, combine, total
from hokusai.zk.field import R
from hokusai.zk.statements import Comparison, Statement, require_bit

_BITS = 16


def _count(comparison: Comparison) -> list[int]:
    right = [(y == b, y == i) for y, b, i in zip(*comparison.columns())]
    return [
        right.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    ]


def _constrain(
    system: ConstraintSystem, used: list[Linear], columns: list[list[int]]
) -> tuple[list[list[Linear]], list[Linear]]:
    y, b, i = (
        [_number(system, value, row) for value, row in zip(column, used)] for column in columns
    )
    baseline = [_equal(system, *pair) for pair in zip(y, b, used)]
    improved = [_equal(system, *pair) for pair in zip(y, i, used)]
    both = total([system.product(left, right) for left, right in zip(baseline, improved)])
    only_baseline = combine((1, total(baseline)), (-1, both))
    only_improved = combine((1, total(improved)), (-1, both))
    neither = combine((1, total(used)), (-1, both), (-1, only_baseline), (-1, only_improved))
    return [y, b, i], [both, only_baseline, only_improved, neither]


def _number(system: ConstraintSystem, value: int, used: Linear) -> Linear:
    """A number of sixteen bits, 0 in a row that is not used."""
    bits = [system.wire(value >> n & 1) for n in range(_BITS)]
    for bit in bits:
        require_bit(system, bit, used)
    return combine(*((1 << n, bit) for n, bit in enumerate(bits)))


def _equal(system: ConstraintSystem, first: Linear, second: Linear, used: Linear) -> Linear:
    """A wire that is 1 if the two are equal in a row that is used.

    `difference · inverse = used - equal` and `difference · equal = 0`: where they differ, the
    second forces 0; where they do not, the first forces the value of `used`, whatever the inverse.
    """
    difference = combine((1, first), (-1, second))
    value = system.value(difference)
    inverse = system.wire(pow(value, -1, R) if value else 0)
    equal = system.wire(0 if value else system.value(used))
    system.require(difference, inverse, combine((1, used), (-1, equal)))
    system.require(difference, equal, {})
    return equal


AGREEMENT = Statement(
    name="agreement",
    bits=_BITS,
    capacities=(1024, 4096),
    counts=("both", "only_baseline", "only_improved", "neither"),
    count=_count,
    constrain=_constrain,
)
