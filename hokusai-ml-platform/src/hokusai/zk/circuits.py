"""The statements by their names, and the circuit that a number of rows needs."""

from __future__ import annotations

from hokusai.errors import InputError
from hokusai.zk.agreement import AGREEMENT
from hokusai.zk.cells import CELLS
from hokusai.zk.statements import Statement

STATEMENTS = {statement.name: statement for statement in (CELLS, AGREEMENT)}


def statement(name: str) -> Statement:
    """The statement with a name.

    Raises:
        InputError: There is none.
    """
    try:
        return STATEMENTS[name]
    except KeyError:
        raise InputError(f"{name!r} is not a statement: cells or agreement.") from None


def capacity_for(of: Statement, rows: int) -> int:
    """The rows of the smallest circuit of a statement that takes so many.

    Raises:
        InputError: None does.
    """
    for capacity in of.capacities:
        if 0 < rows <= capacity:
            return capacity
    raise InputError(f"There are {rows} rows; {of.name} takes 1 to {of.capacities[-1]}.")
