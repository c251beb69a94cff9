"""Poseidon as constraints: three for each power of five.

The linear combinations of a permutation are long, and the same for each. They are computed once,
over the wires of the permutation itself, and shifted to where these stand in a system.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Sequence

from hokusai.zk.constraints import ONE, ConstraintSystem, Linear, combine
from hokusai.zk.field import R
from hokusai.zk.poseidon import INPUTS, parameters

# A constraint's wires: the square, the fourth and the fifth power.
_PER_POWER = 3


def poseidon_gadget(system: ConstraintSystem, inputs: Sequence[Linear]) -> Linear:
    """Hash sixteen linear combinations; the hash is one too."""
    of = parameters(INPUTS + 1)
    state: list[Linear] = [{}, *inputs]
    start = len(system.wires)
    first = of.constants[0]
    for element, added in zip(state, first):
        _power_of_five(system, combine((1, element), (added, ONE)))
    powers, output = _template()
    for linear in powers:
        _power_of_five(system, _shift(linear, start))
    return _shift(output, start)


def _power_of_five(system: ConstraintSystem, base: Linear) -> None:
    square = system.product(base, base)
    fourth = system.product(square, square)
    system.product(fourth, base)


def _shift(linear: Linear, start: int) -> Linear:
    """Put the wires of a template to where they begin in a system."""
    return {wire and start + wire - 1: factor for wire, factor in linear.items()}


@lru_cache(maxsize=None)
def _template() -> tuple[list[Linear], Linear]:
    """What is raised to the fifth power after the first round, in order, and the hash.

    Wires are counted from 1: the fifth powers are the wires 3, 6, 9 and so on.
    """
    of = parameters(INPUTS + 1)
    width = INPUTS + 1
    count = width
    powers: list[Linear] = []
    state: list[Linear] = [{_PER_POWER * (i + 1): 1} for i in range(width)]
    state = _mix(state, of.matrix)
    for number in range(1, len(of.constants)):
        state = [combine((1, x), (c, ONE)) for x, c in zip(state, of.constants[number])]
        for index in range(width if of.is_full(number) else 1):
            powers.append(state[index])
            count += 1
            state[index] = {_PER_POWER * count: 1}
        state = _mix(state, of.matrix)
    return powers, state[0]


def _mix(state: list[Linear], matrix: list[list[int]]) -> list[Linear]:
    wires = sorted({wire for linear in state for wire in linear})
    columns = [[linear.get(wire, 0) for linear in state] for wire in wires]
    mixed = []
    for row in matrix:
        values = [sum(m * x for m, x in zip(row, column) if x) % R for column in columns]
        mixed.append({wire: value for wire, value in zip(wires, values) if value})
    return mixed
