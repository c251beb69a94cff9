"""Small circuits, and the peers: provers of other people, installed from lock files."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.zk.circuits import SmallCircuit, small_circuit
from tests.support import node

PEERS = Path(__file__).parent / "peers"
CEREMONY = Path(__file__).parents[3] / "deploy" / "zk-ceremony"
ENVIRONMENT = Path(__file__).parents[3] / ".venv" / "peers" / "groth16py"


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> SmallCircuit:
    return small_circuit("cells", tmp_path_factory)


@pytest.fixture(scope="session")
def agreement(tmp_path_factory: pytest.TempPathFactory) -> SmallCircuit:
    return small_circuit("agreement", tmp_path_factory)


@pytest.fixture(scope="session")
def solc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the Solidity compiler."""
    return node.installed(PEERS, tmp_path_factory)


@pytest.fixture(scope="session")
def snarkjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which snarkjs is installed."""
    return node.installed(CEREMONY, tmp_path_factory)


@pytest.fixture
def groth16py(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package groth16py, in a directory of its own: its licence is the GPL."""
    lock = PEERS / "groth16py.lock"
    installed = ENVIRONMENT / "installed.lock"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        install = [
            "install",
            "--quiet",
            "--require-hashes",
            "--upgrade",
            "--target",
            str(ENVIRONMENT),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *install, "--requirement", str(lock)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"groth16py cannot be installed here: {done.stderr}")
        installed.write_bytes(lock.read_bytes())
    monkeypatch.syspath_prepend(ENVIRONMENT)
    return importlib.import_module("groth16py")
