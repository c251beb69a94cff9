"""Making proofs: in pure Python, or by a compiled prover that the user has installed.

The package groth16py (arkworks) makes the same proofs some ten times faster. Its licence is the
GPL, so it is never installed with this package; where it is found, it is used and named.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from pathlib import Path
from typing import Callable

from hokusai.errors import DocumentError, InputError, ProofError
from hokusai.zk import groth16, points, zkey
from hokusai.zk.circom_files import wtns
from hokusai.zk.circuits import statement
from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.proof import Proof
from hokusai.zk.setup import verifying_key
from hokusai.zk.statements import Comparison

PYTHON, COMPILED = "python", "groth16py"


def available() -> str:
    """The name of the fastest prover that is installed."""
    return COMPILED if importlib.util.find_spec(COMPILED) else PYTHON


def prove(
    key: VerifyingKey,
    proving_key: str | Path,
    comparison: Comparison,
    prover: str | None = None,
) -> Proof:
    """Prove the counts of a comparison.

    Args:
        key: The verifying key of the circuit, which the caller has pinned.
        proving_key: The file of its proving key, a `.zkey`.
        comparison: The labels, the predictions, the salts and the binding.
        prover: `python` or `groth16py`; by default what `available` says.

    Returns:
        The proof, which has been checked.

    Raises:
        InputError: The rows do not fit, or there is no such prover.
        DocumentError: The file is not the proving key of the circuit.
        ProofError: The prover made a proof that does not hold.
    """
    name = prover or available()
    if name not in _PROVERS:
        raise InputError(f"{name!r} is not a prover: {PYTHON} or {COMPILED}.")
    system = statement(key.statement).build(comparison, key.capacity)
    path = Path(proving_key)
    loaded = load(key, path)
    zkey.check(loaded, system)
    made = _PROVERS[name](loaded, path, system)
    proof = Proof(key, tuple(system.wires[1 : system.public + 1]), made)
    proof.check({key.circuit})
    return proof


def load(key: VerifyingKey, path: str | Path) -> zkey.ProvingKey:
    """Read a proving key, and check that it belongs to a verifying key.

    Raises:
        DocumentError: It cannot be read, or belongs to another one.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DocumentError(f"The proving key {path} cannot be read: {error.strerror}.") from None
    loaded = zkey.read(content)
    if verifying_key(loaded, key.statement, key.capacity, key.setup).circuit != key.circuit:
        raise DocumentError(f"{path} is not the proving key of circuit {key.circuit}.")
    return loaded


def _in_python(key: zkey.ProvingKey, _path: Path, system: ConstraintSystem) -> groth16.Points:
    return groth16.prove(key, system)


def _compiled(_key: zkey.ProvingKey, path: Path, system: ConstraintSystem) -> groth16.Points:
    try:
        package = importlib.import_module(COMPILED)
    except ImportError:
        raise InputError(f"{COMPILED} is not installed: pip install {COMPILED}") from None
    # It reads files only. The witness is secret, so it is in a directory of this user's alone.
    with tempfile.TemporaryDirectory() as directory:
        witness = Path(directory) / "witness.wtns"
        witness.write_bytes(wtns(system))
        try:
            imported, _ = package.import_zkey(str(path))
            content = package.prove_wtns(imported, str(witness))
        except Exception as error:
            raise ProofError(f"{COMPILED} made no proof: {error}") from error
    return decode(content)


def decode(content: bytes) -> groth16.Points:
    """Read a proof as the 256 bytes that a contract takes.

    Raises:
        DocumentError: It is something else.
    """
    if len(content) != 256:
        raise DocumentError("A proof has 256 bytes.")
    n = [str(int.from_bytes(content[i : i + 32], "big")) for i in range(0, 256, 32)]
    return groth16.Points(
        points.read1([n[0], n[1], "1"], "A"),
        points.read2([[n[3], n[2]], [n[5], n[4]], ["1", "0"]], "B"),
        points.read1([n[6], n[7], "1"], "C"),
    )


_PROVERS: dict[str, Callable[[zkey.ProvingKey, Path, ConstraintSystem], groth16.Points]] = {
    PYTHON: _in_python,
    COMPILED: _compiled,
}
