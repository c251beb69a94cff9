"""Rank-one constraint systems: wires with values, and products that must hold between them.

A system is built together with its witness. The same statement always builds the same constraints,
whatever the values are; a verifying key belongs to exactly these.
"""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, NamedTuple

from hokusai.zk.field import R

# A linear combination: the factor of each wire. Wire 0 is the constant 1.
Linear = Dict[int, int]
ONE: Linear = {0: 1}


class Constraint(NamedTuple):
    """`left · right = output`."""

    left: Linear
    right: Linear
    output: Linear


def combine(*terms: tuple[int, Linear]) -> Linear:
    """The sum of linear combinations, each with a factor."""
    result: Linear = {}
    for factor, linear in terms:
        for wire, value in linear.items():
            result[wire] = result.get(wire, 0) + factor * value
    return {wire: reduced for wire, value in result.items() if (reduced := value % R)}


def total(linears: Iterable[Linear]) -> Linear:
    return combine(*((1, linear) for linear in linears))


def constant(value: int) -> Linear:
    return combine((value, ONE))


class ConstraintSystem:
    """Constraints and the values of their wires.

    Attributes:
        wires: The value of each wire; the public ones follow the constant 1.
        constraints: The constraints.
        public: How many wires are public, without the constant.
    """

    def __init__(self, public: Iterable[int]) -> None:
        """Begin with the values of the public inputs."""
        self.wires: list[int] = [1, *(value % R for value in public)]
        self.constraints: list[Constraint] = []
        self.public = len(self.wires) - 1

    def public_input(self, index: int) -> Linear:
        """The public input with this index."""
        return {1 + index: 1}

    def wire(self, value: int) -> Linear:
        """A new private wire."""
        self.wires.append(value % R)
        return {len(self.wires) - 1: 1}

    def value(self, linear: Linear) -> int:
        wires = self.wires
        return sum(factor * wires[wire] for wire, factor in linear.items()) % R

    def require(self, left: Linear, right: Linear, output: Linear) -> None:
        """Require that `left · right = output`."""
        self.constraints.append(Constraint(left, right, output))

    def require_equal(self, first: Linear, second: Linear) -> None:
        self.require(combine((1, first), (-1, second)), ONE, {})

    def product(self, left: Linear, right: Linear) -> Linear:
        """A new wire that is the product."""
        output = self.wire(self.value(left) * self.value(right))
        self.require(left, right, output)
        return output

    def broken(self) -> Iterator[int]:
        """The numbers of the constraints that do not hold."""
        for number, (left, right, output) in enumerate(self.constraints):
            if (self.value(left) * self.value(right) - self.value(output)) % R:
                yield number
