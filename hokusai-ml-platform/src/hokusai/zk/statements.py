"""What a circuit proves, and the parts that both statements share.

Public are the counts, the number of rows, three commitments and the binding. Private are the
labels, the predictions of both models and the salts of the commitments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

from hokusai.errors import InputError
from hokusai.zk.commitments import check_values, commit, commit_gadget
from hokusai.zk.constraints import ONE, ConstraintSystem, Linear, combine, total
from hokusai.zk.field import R

# The public inputs after the counts.
SHARED = ("rows", "labels", "baseline", "improved", "binding")
COLUMNS = ("labels", "baseline", "improved")
ROLES = {"labels": "labels", "baseline": "predictions", "improved": "predictions"}


@dataclass(frozen=True)
class Comparison:
    """Two models compared on one test set: the witness of a proof.

    Attributes:
        labels: The label of each row.
        baseline: What the baseline predicts for each row.
        improved: What the improved model predicts for each row.
        salts: The salts of the three commitments, in this order.
        binding: The scalar that ties the proof to what it was made for.
    """

    labels: Sequence[int]
    baseline: Sequence[int]
    improved: Sequence[int]
    salts: tuple[int, int, int]
    binding: int

    def columns(self) -> list[Sequence[int]]:
        return [self.labels, self.baseline, self.improved]


@dataclass(frozen=True)
class Statement:
    """One kind of circuit.

    Attributes:
        name: `cells` or `agreement`.
        bits: The bits of a label and of a prediction.
        capacities: The rows that its circuits take.
        counts: The names of the public counts, which come first among the public inputs.
        count: Counts the rows of a comparison.
        constrain: Adds the constraints of all rows, and returns the values of the three columns
            and the sum that each count must equal.
    """

    name: str
    bits: int
    capacities: tuple[int, ...]
    counts: tuple[str, ...]
    count: Callable[[Comparison], list[int]]
    constrain: Callable[
        [ConstraintSystem, list[Linear], list[list[int]]], tuple[list[list[Linear]], list[Linear]]
    ]

    @property
    def public_names(self) -> tuple[str, ...]:
        return self.counts + SHARED

    def public_inputs(self, comparison: Comparison, capacity: int) -> list[int]:
        """Compute the public inputs of a comparison.

        Raises:
            InputError: The rows of the columns differ in number, or do not fit the circuit.
        """
        columns = comparison.columns()
        for name, column in zip(COLUMNS, columns):
            check_values(column, self.bits, capacity)
            if len(column) != len(columns[0]):
                raise InputError(
                    f"There are {len(columns[0])} labels, but {len(column)} rows of {name}."
                )
        if not 0 <= comparison.binding < R:
            raise InputError("The binding is a number below the order of BN254.")
        commitments = [
            commit(ROLES[name], column, self.bits, capacity, salt)
            for name, column, salt in zip(COLUMNS, columns, comparison.salts)
        ]
        return [*self.count(comparison), len(columns[0]), *commitments, comparison.binding]

    def build(self, comparison: Comparison, capacity: int) -> ConstraintSystem:
        """Build the constraints with the wires of a comparison.

        Raises:
            InputError: As `public_inputs` does.
        """
        system = ConstraintSystem(self.public_inputs(comparison, capacity))
        named = {name: system.public_input(index) for index, name in enumerate(self.public_names)}
        used = _rows(system, len(comparison.labels), capacity)
        system.require_equal(total(used), named["rows"])
        padded = [[*column, *[0] * (capacity - len(column))] for column in comparison.columns()]
        columns, sums = self.constrain(system, used, padded)
        for name, linear in zip(self.counts, sums):
            system.require_equal(linear, named[name])
        for name, values, salt in zip(COLUMNS, columns, comparison.salts):
            commitment = commit_gadget(
                system, ROLES[name], values, self.bits, named["rows"], system.wire(salt)
            )
            system.require_equal(commitment, named[name])
        # The binding only has to be part of the system.
        system.product(named["binding"], named["binding"])
        return system

    def blank(self, capacity: int) -> ConstraintSystem:
        """The constraints alone, for a setup. The values of the wires mean nothing."""
        return self.build(Comparison([0], [0], [0], (0, 0, 0), 0), capacity)

    def named_counts(self, public: Sequence[int]) -> dict[str, int]:
        return dict(zip(self.counts, public))


def _rows(system: ConstraintSystem, rows: int, capacity: int) -> list[Linear]:
    """For each row of the circuit a wire that is 1 if it is used; the used ones come first.

    Between two neighbours, the first of which stands after a 1 and the last of which before a 0,
    the difference is 0 or 1. These differences add up to 1, so exactly one of them is 1.
    """
    used = [system.wire(int(row < rows)) for row in range(capacity)]
    for before, after in zip([ONE, *used], [*used, {}]):
        step = combine((1, before), (-1, after))
        system.require(step, combine((1, step), (-1, ONE)), {})
    return used


def require_bit(system: ConstraintSystem, bit: Linear, used: Linear) -> None:
    """Require that a wire is 0 or 1 in a row that is used, and 0 in another."""
    system.require(bit, combine((1, bit), (-1, used)), {})
