"""What the constraints accept: the counts of any comparison, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from itertools import product
from typing import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparisons import compare
from hokusai.errors import InputError
from hokusai.zk.circom_files import r1cs
from hokusai.zk.circuits import STATEMENTS, capacity_for, statement
from hokusai.zk.commitments import commit, new_salt
from hokusai.zk.constraints import Constraint, ConstraintSystem
from hokusai.zk.field import R
from hokusai.zk.statements import SHARED, Comparison, Statement

CAPACITY = 6
EACH = pytest.mark.parametrize("of", STATEMENTS.values(), ids=list(STATEMENTS))


def rows_of(of: Statement) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    value = st.integers(0, 1) if of.bits == 1 else st.sampled_from([0, 1, 2, 300, 65535])
    return st.lists(st.tuples(value, value, value), min_size=1, max_size=CAPACITY)


def plain_counts(of: Statement, rows: Iterable[tuple[int, int, int]]) -> list[int]:
    if of.name == "cells":
        cells = Counter(rows)
        return [cells[y, b, i] for y, b, i in product((0, 1), repeat=3)]
    right = Counter((y == b, y == i) for y, b, i in rows)
    return [right[b, i] for b, i in product((True, False), repeat=2)]


def system_of(of: Statement, rows: Iterable[tuple[int, int, int]]) -> ConstraintSystem:
    labels, baseline, improved = (list(column) for column in zip(*rows))
    return of.build(Comparison(labels, baseline, improved, (11, 12, 13), 14), CAPACITY)


@EACH
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_comparison_is_accepted_with_its_counts(of: Statement, data: st.DataObject) -> None:
    rows = data.draw(rows_of(of))
    system = system_of(of, rows)
    public = dict(zip(of.public_names, system.wires[1:]))

    assert not list(system.broken())
    assert [public[name] for name in of.counts] == plain_counts(of, rows)
    assert sum(public[name] for name in of.counts) == public["rows"] == len(rows)
    for name, salt, column in zip(SHARED[1:4], (11, 12, 13), zip(*rows)):
        role = "labels" if name == "labels" else "predictions"
        assert public[name] == commit(role, column, of.bits, CAPACITY, salt)
    assert public["binding"] == 14


@EACH
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_no_other_public_inputs_are_accepted(of: Statement, data: st.DataObject) -> None:
    system = system_of(of, data.draw(rows_of(of)))
    index = data.draw(st.integers(1, system.public - 1))
    # Also a count that wraps around the field, and one that another count makes up for.
    change = data.draw(st.sampled_from([1, -1, 2**64, R - 1, R // 2]))
    system.wires[index] = (system.wires[index] + change) % R
    if data.draw(st.booleans()):
        other = data.draw(st.integers(1, system.public - 1).filter(lambda n: n != index))
        system.wires[other] = (system.wires[other] - change) % R

    assert list(system.broken())


@EACH
def test_every_private_wire_that_is_changed_is_refused(of: Statement) -> None:
    system = of.build(compare(of, CAPACITY - 2), CAPACITY)
    used_by: dict[int, list[Constraint]] = defaultdict(list)
    for constraint in system.constraints:
        for wire in {wire for linear in constraint for wire in linear}:
            used_by[wire].append(constraint)
    free = set()
    for wire in range(system.public + 1, len(system.wires)):
        alone = ConstraintSystem([])
        alone.wires, alone.constraints = list(system.wires), used_by[wire]
        for value in {1 - system.wires[wire], system.wires[wire] + 1}:
            alone.wires[wire] = value % R
            if alone.wires[wire] != system.wires[wire] and not list(alone.broken()):
                free.add(wire)

    # Where two numbers are equal, the inverse of their difference may be anything: it is
    # multiplied by zero. Nothing depends on it.
    assert all(is_inverse_of_zero(system, used_by[wire], wire) for wire in free)
    assert bool(free) == (of.name == "agreement")


def is_inverse_of_zero(system: ConstraintSystem, used_by: list[Constraint], wire: int) -> bool:
    return len(used_by) == 1 and all(
        constraint.right == {wire: 1} and system.value(constraint.left) == 0
        for constraint in used_by
    )


@EACH
@pytest.mark.parametrize("claimed", [CAPACITY - 3, CAPACITY - 1, CAPACITY, R - 1])
def test_rows_of_padding_do_not_count(of: Statement, claimed: int) -> None:
    """All that depends on the number of rows is changed to another number, but the commitments."""
    system = of.build(compare(of, CAPACITY - 2), CAPACITY)
    rows = of.public_names.index("rows") + 1
    used = range(system.public + 1, system.public + 1 + CAPACITY)
    system.wires[rows] = claimed
    for place, wire in enumerate(used):
        system.wires[wire] = int(place < claimed)
    neither = 1 if of.name == "cells" else of.counts.index("neither") + 1
    system.wires[neither] = (system.wires[neither] + claimed - (CAPACITY - 2)) % R

    assert list(system.broken())


@EACH
def test_rows_that_are_used_come_first(of: Statement) -> None:
    system = of.build(compare(of, CAPACITY - 2), CAPACITY)
    used = system.public + 1
    chain = system.constraints[: CAPACITY + 1]
    for pattern in product((0, 1), repeat=CAPACITY):
        system.wires[used : used + CAPACITY] = pattern
        alone = ConstraintSystem([])
        alone.wires, alone.constraints = system.wires, chain

        assert (not list(alone.broken())) == (sorted(pattern, reverse=True) == list(pattern))


@EACH
@pytest.mark.parametrize("rows", [1, CAPACITY])
def test_the_constraints_do_not_depend_on_the_values(of: Statement, rows: int) -> None:
    built = r1cs(of.build(compare(of, rows, seed=rows), CAPACITY))

    assert built == r1cs(of.blank(CAPACITY))


@pytest.mark.parametrize(
    ("name", "capacity", "constraints", "digest"),
    [
        ("cells", 1024, 10042, "42b8c269db0a99a3eafd8a70926e65a635a498d55ce0a205ecbf521fd5a51d29"),
        ("agreement", 8, 2278, "625d3c1de3107c8ab34ceed9b1a75a7030c8a5e8ed4b3514210a79cfd345e664"),
    ],
)
def test_the_constraints_are_those_that_keys_were_made_for(
    name: str, capacity: int, constraints: int, digest: str
) -> None:
    """A change of a circuit needs a new version in the domain of commitments, and new keys."""
    system = statement(name).blank(capacity)

    assert len(system.constraints) == constraints
    assert hashlib.sha256(r1cs(system)).hexdigest() == digest


def test_a_commitment_binds_rows_role_and_capacity() -> None:
    salt = new_salt()
    commitments = {
        commit(role, values, bits, capacity, salt + extra)
        for role in ("labels", "predictions")
        for values in ([1], [1, 0], [0, 1], [1, 0, 0], [1, 1])
        for bits in (1, 16)
        for capacity in (8, 9)
        for extra in (0, 1)
    }

    assert len(commitments) == 2 * 5 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": []}, "0 rows"),
        ({"labels": [0] * 7, "baseline": [0] * 7, "improved": [0] * 7}, "7 rows"),
        ({"labels": [0, 2, 0]}, "Row 1 is 2"),
        ({"baseline": [0, -1, 0]}, "Row 1 is -1"),
        ({"improved": [0, True, 0]}, "Row 1 is True"),
        ({"improved": [0, 0.5, 0]}, "Row 1 is 0.5"),
        ({"improved": [0, 1]}, "3 labels, but 2 rows of improved"),
        ({"salts": (1, R, 2)}, "A salt"),
        ({"binding": -1}, "The binding"),
    ],
)
def test_a_comparison_that_cannot_be_proven(changes: dict[str, object], message: str) -> None:
    whole = Comparison([0, 1, 0], [0, 0, 0], [0, 1, 1], (1, 2, 3), 4)

    with pytest.raises(InputError, match=message):
        statement("cells").build(dataclasses.replace(whole, **changes), CAPACITY)  # type: ignore[arg-type]


def test_classes_have_sixteen_bits() -> None:
    agreement = statement("agreement")
    for value in (65536, -1, R, 1.0, "1"):
        comparison = Comparison([0, 1], [0, 1], [65535, value], (1, 2, 3), 4)  # type: ignore[list-item]
        with pytest.raises(InputError, match=r"Row 1 is .*a whole number from 0 to 65535"):
            agreement.build(comparison, CAPACITY)

    assert not list(agreement.build(Comparison([65535], [0], [0], (1, 2, 3), 4), CAPACITY).broken())


def test_the_circuit_for_a_number_of_rows() -> None:
    cells, agreement = statement("cells"), statement("agreement")

    assert [capacity_for(cells, n) for n in (1, 1024, 1025, 4097)] == [1024, 1024, 4096, 10240]
    for of, rows in ((cells, 0), (cells, 10241), (agreement, 4097)):
        with pytest.raises(InputError, match="takes 1 to"):
            capacity_for(of, rows)
    with pytest.raises(InputError, match="not a statement"):
        statement("regression")
