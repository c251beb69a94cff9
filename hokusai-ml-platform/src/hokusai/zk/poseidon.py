"""The hash function Poseidon over the scalars of BN254 (eprint 2019/458), sixteen inputs at a time.

Its constants are computed by the procedure of the paper (the Grain LFSR in self-shrinking mode),
with the numbers of rounds that circomlib and its ports use, so the hashes are equal to theirs.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count
from typing import Iterator, NamedTuple, Sequence

from hokusai.zk.field import R, inverses

# The state has one element more than there are inputs.
INPUTS = 16
FULL_ROUNDS = 8
# For a state of 2, 3, … 17 elements.
_PARTIAL_ROUNDS = (56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68)
_FIELD_BITS = R.bit_length()


class Parameters(NamedTuple):
    """The constants for one size of the state.

    Attributes:
        constants: What each round adds to the state.
        matrix: What each round multiplies the state by.
        partial_rounds: How many rounds raise only the first element to the fifth power.
    """

    constants: list[list[int]]
    matrix: list[list[int]]
    partial_rounds: int

    def is_full(self, number: int) -> bool:
        """Whether the round with this number raises all elements to the fifth power."""
        return not 0 <= number - FULL_ROUNDS // 2 < self.partial_rounds


@lru_cache(maxsize=None)
def parameters(width: int) -> Parameters:
    """Compute the constants for a state of `width` elements."""
    partial_rounds = _PARTIAL_ROUNDS[width - 2]
    bits = _grain(width, partial_rounds)

    def number() -> int:
        value = 0
        for _ in range(_FIELD_BITS):
            value = value << 1 | next(bits)
        return value

    def smaller_number() -> int:
        while True:
            value = number()
            if value < R:
                return value

    constants = [
        [smaller_number() for _ in range(width)] for _ in range(FULL_ROUNDS + partial_rounds)
    ]
    while True:
        values = [number() % R for _ in range(2 * width)]
        if len(set(values)) == 2 * width:
            break
    # A Cauchy matrix.
    matrix = [
        inverses([(values[i] + values[width + j]) % R for j in range(width)], R)
        for i in range(width)
    ]
    return Parameters(constants, matrix, partial_rounds)


def poseidon(inputs: Sequence[int]) -> int:
    """Hash as many scalars as are given, from one to sixteen."""
    of = parameters(len(inputs) + 1)
    state = [0, *inputs]
    for number, constants in enumerate(of.constants):
        state = [(x + c) % R for x, c in zip(state, constants)]
        if of.is_full(number):
            state = [pow(x, 5, R) for x in state]
        else:
            state[0] = pow(state[0], 5, R)
        state = [sum(m * x for m, x in zip(row, state)) % R for row in of.matrix]
    return state[0]


def _grain(width: int, partial_rounds: int) -> Iterator[int]:
    """The bits of the LFSR that are kept: of each two, the second if the first is 1."""
    fields = (
        (1, 2),  # a prime field
        (0, 4),  # the power x⁵
        (_FIELD_BITS, 12),
        (width, 12),
        (FULL_ROUNDS, 10),
        (partial_rounds, 10),
        ((1 << 30) - 1, 30),
    )
    text = "".join(format(value, f"0{size}b") for value, size in fields)
    # The first bit is the lowest one here.
    state = int(text[::-1], 2)
    # Sixteen steps at a time: no tap is nearer to the end than eighteen bits.
    for number in count():
        new = (state ^ state >> 13 ^ state >> 23 ^ state >> 38 ^ state >> 51 ^ state >> 62) & 0xFFFF
        state = state >> 16 | new << 64
        # The first 160 bits are dropped.
        if number >= 10:
            for _ in range(8):
                if new & 1:
                    yield new >> 1 & 1
                new >>= 2
