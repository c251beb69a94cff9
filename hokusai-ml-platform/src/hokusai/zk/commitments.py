"""Commitments to labels and to predictions: salted hashes that bind the number of rows.

Values are packed into scalars, and absorbed fifteen at a time with the hash so far:

    h₀ = domain;  hₖ₊₁ = Poseidon(hₖ, the next fifteen of [capacity, rows, salt, words…, 0…])

The domain tells labels from predictions, and names this version of the scheme. The number of rows
is inside, so that padding can never pass for further rows.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Sequence

from hokusai.errors import InputError
from hokusai.zk.constraints import ConstraintSystem, Linear, combine, constant
from hokusai.zk.field import R
from hokusai.zk.poseidon import INPUTS, poseidon
from hokusai.zk.poseidon_gadget import poseidon_gadget

# Bits of a scalar that are used for values.
_WORD_BITS = 248
_RATE = INPUTS - 1


def domain(role: str, bits: int) -> int:
    """The scalar that commitments of one kind begin with."""
    name = f"hokusai-commitment-v1/{role}/{bits}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % R


def new_salt() -> int:
    """A random scalar, which hides what is committed to. Keep it: only with it can you prove."""
    return secrets.randbelow(R)


def commit(role: str, values: Sequence[int], bits: int, capacity: int, salt: int) -> int:
    """Commit to the values of all rows.

    Args:
        role: `labels` or `predictions`.
        values: One value for each row.
        bits: The bits of a value: 1 for `cells`, 16 for `agreement`.
        capacity: The rows of the circuit.
        salt: From `new_salt`.

    Raises:
        InputError: There are no rows or too many, or a value has more bits.
    """
    check_values(values, bits, capacity)
    if not 0 <= salt < R:
        raise InputError("A salt is a number below the order of BN254.")
    words = []
    for start in range(0, capacity, _WORD_BITS // bits):
        row = values[start : start + _WORD_BITS // bits]
        words.append(sum(value << bits * i for i, value in enumerate(row)))
    elements = [capacity, len(values), salt, *words]
    result = domain(role, bits)
    for start in range(0, len(elements), _RATE):
        chunk = elements[start : start + _RATE]
        result = poseidon([result, *chunk, *[0] * (_RATE - len(chunk))])
    return result


def check_values(values: Sequence[int], bits: int, capacity: int) -> None:
    """Refuse what no commitment can be made to.

    Raises:
        InputError: As `commit` does.
    """
    if not 0 < len(values) <= capacity:
        raise InputError(f"There are {len(values)} rows; a circuit of {capacity} takes 1 to that.")
    for row, value in enumerate(values):
        if type(value) is not int or not 0 <= value < 1 << bits:
            what = "0 or 1" if bits == 1 else f"a whole number from 0 to {(1 << bits) - 1}"
            raise InputError(f"Row {row} is {value!r}; it must be {what}.")


def commit_gadget(
    system: ConstraintSystem,
    role: str,
    values: Sequence[Linear],
    bits: int,
    rows: Linear,
    salt: Linear,
) -> Linear:
    """The same as constraints. Each value must already be limited to its bits."""
    per_word = _WORD_BITS // bits
    elements: list[Linear] = [constant(len(values)), rows, salt]
    for start in range(0, len(values), per_word):
        row = values[start : start + per_word]
        elements.append(combine(*((1 << bits * i, value) for i, value in enumerate(row))))
    result = constant(domain(role, bits))
    for start in range(0, len(elements), _RATE):
        chunk = elements[start : start + _RATE]
        result = poseidon_gadget(system, [result, *chunk, *[{}] * (_RATE - len(chunk))])
    return result
