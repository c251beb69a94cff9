"""Keys of a small circuit, and a proof."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from comparisons import compare
from hokusai.zk import provers, zkey
from hokusai.zk.circuits import statement
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.proof import Proof
from hokusai.zk.setup import setup

CAPACITY = 4


class Keys(NamedTuple):
    """The keys of the circuit `cells` for four rows.

    Attributes:
        verifying: The verifying key.
        proving: The proving key.
        path: Its file.
    """

    verifying: VerifyingKey
    proving: zkey.ProvingKey
    path: Path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    cells = statement("cells")
    proving, verifying = setup(cells, CAPACITY)
    path = tmp_path_factory.mktemp("keys") / "cells.zkey"
    path.write_bytes(zkey.write(proving, cells.blank(CAPACITY)))
    return Keys(verifying, proving, path)


@pytest.fixture(scope="session")
def proof(keys: Keys) -> Proof:
    """A proof by the pure Python prover."""
    return provers.prove(keys.verifying, keys.path, compare(statement("cells"), 3), provers.PYTHON)
