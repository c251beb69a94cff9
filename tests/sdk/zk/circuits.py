"""Circuits of a few rows, with random comparisons."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from hokusai.zk import provers
from hokusai.zk.circom_files import wtns
from hokusai.zk.circuits import statement
from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.field import R
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.statements import Comparison
from hokusai.zk.zkey import ProvingKey

from tests.support.circuit_keys import shared_keys


@dataclass(frozen=True)
class SmallCircuit:
    """A circuit with its keys, and a directory for files that other programs read.

    zkey: the file of the proving key.
    """

    key: VerifyingKey
    proving_key: ProvingKey
    zkey: Path
    directory: Path

    def random_system(self, chosen: random.Random) -> ConstraintSystem:
        of = statement(self.key.statement)
        rows = chosen.randint(1, self.key.capacity)
        classes = 2 if of.bits == 1 else chosen.choice([2, 3, 65536])
        labels, baseline, improved = (
            [chosen.randrange(classes) for _ in range(rows)] for _ in range(3)
        )
        # Some rows on which the models are right.
        improved = [
            y if chosen.random() < 0.5 else i for y, i in zip(labels, improved, strict=True)
        ]
        salts = chosen.randrange(R), chosen.randrange(R), chosen.randrange(R)
        comparison = Comparison(labels, baseline, improved, salts, chosen.randrange(R))
        return of.build(comparison, self.key.capacity)

    def witness_file(self, system: ConstraintSystem, name: str) -> Path:
        path = self.directory / f"{self.key.statement}-{name}.wtns"
        path.write_bytes(wtns(system))
        return path


def small_circuit(name: str, temporary: pytest.TempPathFactory) -> SmallCircuit:
    keys = shared_keys(temporary, name)
    loaded = provers.load(keys.verifying, keys.proving)
    return SmallCircuit(keys.verifying, loaded, keys.proving, temporary.mktemp(name))


def public_inputs(system: ConstraintSystem) -> list[int]:
    return system.wires[1 : system.public + 1]
