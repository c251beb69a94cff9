"""The statement `cells`: the eight counts of (label, baseline, improved), each 0 or 1.

All metrics of a binary classification follow from them, for both models, and so do the rows on
which only one of the two is right.
"""

from __future__ import annotations

from itertools import product

from hokusai.zk.constraints import ConstraintSystem, Linear, combine, total
from hokusai.zk.statements import Comparison, Statement, require_bit

_CELLS = list(product((0, 1), repeat=3))


def _count(comparison: Comparison) -> list[int]:
    rows = list(zip(*comparison.columns()))
    return [rows.count(cell) for cell in _CELLS]


def _constrain(
    system: ConstraintSystem, used: list[Linear], columns: list[list[int]]
) -> tuple[list[list[Linear]], list[Linear]]:
    y, b, i = ([system.wire(value) for value in column] for column in columns)
    for column in (y, b, i):
        for bit, row in zip(column, used):
            require_bit(system, bit, row)
    yb, yi, bi = (
        [system.product(left, right) for left, right in zip(*pair)]
        for pair in ((y, b), (y, i), (b, i))
    )
    ybi = [system.product(left, right) for left, right in zip(yb, i)]
    # How many rows have a 1 in each of a set of columns gives, by inclusion and exclusion, how
    # many have a 1 in exactly these.
    sums = {
        (0, 0, 0): total(used),
        (1, 0, 0): total(y),
        (0, 1, 0): total(b),
        (0, 0, 1): total(i),
        (1, 1, 0): total(yb),
        (1, 0, 1): total(yi),
        (0, 1, 1): total(bi),
        (1, 1, 1): total(ybi),
    }
    exact = [
        combine(
            *(
                ((-1) ** (sum(other) - sum(cell)), linear)
                for other, linear in sums.items()
                if all(has >= needs for has, needs in zip(other, cell))
            )
        )
        for cell in _CELLS
    ]
    return [y, b, i], exact


CELLS = Statement(
    name="cells",
    bits=1,
    capacities=(1024, 4096, 10240),
    counts=tuple("label{}_baseline{}_improved{}".format(*cell) for cell in _CELLS),
    count=_count,
    constrain=_constrain,
)
