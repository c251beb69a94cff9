"""Circuits of a few rows, with random comparisons."""

import random
from dataclasses import dataclass
from pathlib import Path

from hokusai.zk import zkey
from hokusai.zk.circom_files import wtns
from hokusai.zk.circuits import statement
from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.field import R
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.setup import setup
from hokusai.zk.statements import Comparison

CAPACITY = 8


@dataclass(frozen=True)
class SmallCircuit:
    """A circuit with its keys, and a directory for files that other programs read."""

    key: VerifyingKey
    proving_key: zkey.ProvingKey
    directory: Path

    @property
    def zkey(self) -> Path:
        return self.directory / f"{self.key.statement}.zkey"

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


def make(name: str, directory: Path) -> SmallCircuit:
    proving_key, key = setup(statement(name), CAPACITY)
    circuit = SmallCircuit(key, proving_key, directory)
    circuit.zkey.write_bytes(zkey.write(proving_key, statement(name).blank(CAPACITY)))
    return circuit


def public_inputs(system: ConstraintSystem) -> list[int]:
    return system.wires[1 : system.public + 1]
