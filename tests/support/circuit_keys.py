"""Keys of small circuits, which take seconds to make: one of each for all tests of a run."""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

import pytest
from hokusai.zk import key_files
from hokusai.zk.keys import VerifyingKey

# Rows of the circuits.
CAPACITY = 8


class CircuitKeys(NamedTuple):
    """The keys of one circuit.

    directory: as HOKUSAI_PROOF_KEYS names one. It is shared, so tests that change it copy it.
    verifying: the verifying key. proving: the file of the proving key.
    """

    directory: Path
    verifying: VerifyingKey
    proving: Path


def shared_keys(temporary: pytest.TempPathFactory, statement: str = "cells") -> CircuitKeys:
    """The keys of a circuit, made by the first process of the run that needs them."""
    directory = _of_the_run(temporary) / f"keys-{statement}-{CAPACITY}"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = key_files.load(directory)
        (key,) = found.values() or [key_files.make(directory, statement, CAPACITY)]
    return CircuitKeys(directory, key, key_files.proving_key_path(directory, key.circuit))


def _of_the_run(temporary: pytest.TempPathFactory) -> Path:
    """The directory that all workers of pytest-xdist have in common."""
    own = temporary.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
