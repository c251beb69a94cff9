"""Poseidon, by hashes that the npm package poseidon-lite 0.3.0 computes."""

from __future__ import annotations

import random

import pytest

from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.field import R
from hokusai.zk.poseidon import poseidon
from hokusai.zk.poseidon_gadget import poseidon_gadget

# By the number of inputs, which are 1, 2, 3 and so on.
KNOWN = {
    1: 18586133768512220936620570745912940619677854269274689475585506675881198879027,
    2: 7853200120776062878684798364095072458815029376092732009249414926327459813530,
    5: 6183221330272524995739186171720101788151706631170188140075976616310159254464,
    16: 9989051620750914585850546081941653841776809718687451684622678807385399211877,
}


@pytest.mark.parametrize("count", KNOWN)
def test_known_hashes(count: int) -> None:
    assert poseidon(range(1, count + 1)) == KNOWN[count]


@pytest.mark.parametrize("kind", ["zeros", "random"])
def test_the_constraints_compute_the_same_hash(kind: str) -> None:
    chosen = random.Random(7)
    inputs = [0 if kind == "zeros" else chosen.randrange(R) for _ in range(16)]
    system = ConstraintSystem([])
    output = poseidon_gadget(system, [system.wire(value) for value in inputs])

    assert system.value(output) == poseidon(inputs)
    assert not list(system.broken())
