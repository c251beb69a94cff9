"""Making and checking proofs of an improvement, beside arkworks (groth16py) and snarkjs."""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hokusai.zk import key_files, provers, solidity
from hokusai.zk.circom_files import wtns
from hokusai.zk.circuits import statement
from hokusai.zk.field import R
from hokusai.zk.groth16 import Points, verify
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.proof import Proof
from hokusai.zk.statements import Comparison

from app.control_plane.proofs import pairing_check
from benchmarks.launcher import MissingError, program
from benchmarks.report import Table, Verdict, alternate, values

ROOT = Path(__file__).parents[1]
SNARKJS = ROOT / "deploy" / "zk-ceremony" / "node_modules" / "snarkjs" / "build" / "cli.cjs"
GROTH16PY = ROOT / ".venv" / "peers" / "groth16py"
# Seconds of processors, for the prover in Python and the compiled one.
TARGETS = {"prove-1024": (10.0, 1.0), "prove-4096": (30.0, 4.0)}


@dataclass(frozen=True)
class Round:
    """Seconds, and seconds of all processors."""

    seconds: float
    cpu: float


def run(options: Namespace) -> Iterator[Table]:
    """Run `prove-1024`, `prove-4096`, `prove-agreement`, and `check`."""
    if not SNARKJS.exists() or not GROTH16PY.exists():
        raise MissingError(
            "snarkjs or groth16py is missing: run `npm ci` in deploy/zk-ceremony, and the tests in "
            "tests/sdk/zk, which install groth16py"
        )
    sys.path.append(str(GROTH16PY))
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        for title, name, rows in (
            ("prove-1024", "cells", 1024),
            ("prove-4096", "cells", 4096),
            ("prove-agreement", "agreement", 1024),
        ):
            yield from _prove(directory, title, name, rows, options.large_rounds)


def _prove(directory: Path, title: str, name: str, rows: int, rounds: int) -> Iterator[Table]:
    key = key_files.make(directory, name, rows)
    path = key_files.proving_key_path(directory, key.circuit)
    comparison = _comparison(name, rows)
    witness = directory / "witness.wtns"
    witness.write_bytes(wtns(statement(name).build(comparison, rows)))
    measures: dict[str, Callable[[], Round]] = {
        prover: partial(_measured, partial(provers.prove, key, path, comparison, prover))
        for prover in (provers.PYTHON, provers.COMPILED)
    }
    command = ["groth16", "prove", str(path), str(witness), "proof.json", "public.json"]
    measures["snarkjs"] = partial(_measured, partial(_snarkjs, directory, command))
    made = alternate(title, rounds, measures)
    verdicts = [
        Verdict(f"{title}, {prover}", min(values(made, "cpu", prover)), "s", bound)
        for prover, bound in zip(measures, TARGETS.get(title, ()), strict=False)
    ]
    yield Table(title, made, "snarkjs", ("seconds", "cpu"), verdicts)
    if title == "prove-1024":
        yield _check(directory, key, provers.prove(key, path, comparison), rounds)


def _check(directory: Path, key: VerifyingKey, proof: Proof, rounds: int) -> Table:
    public = [str(value) for value in proof.public]
    points, document = proof.points.as_json(), key.as_json()
    for name, content in (("key", document), ("public", public), ("proof", points)):
        (directory / f"{name}.json").write_text(json.dumps(content))
    groth16py: Any = __import__("groth16py")
    verifier = groth16py.Verifier(groth16py.VerifyingKey.from_snarkjs(json.dumps(document)))
    packed = b"".join(n.to_bytes(32, "big") for n in solidity.arguments(proof.points))
    command = ["groth16", "verify", "key.json", "public.json", "proof.json"]
    measures: dict[str, Callable[[], object]] = {
        "python": lambda: verify(key, proof.public, Points.from_json(points)),
        "py_ecc": lambda: pairing_check.holds(document, public, points),
        "groth16py": lambda: verifier.verify(packed, list(proof.public)),
        "snarkjs": partial(_snarkjs, directory, command),
    }
    made = alternate(
        "check", rounds, {name: partial(_measured, check) for name, check in measures.items()}
    )
    figure = min(values(made, "cpu", "python"))
    verdict = Verdict("check, python: seconds for a proof", figure, "s", 1.0)
    return Table("check", made, "py_ecc", ("seconds", "cpu"), [verdict])


def _comparison(name: str, rows: int) -> Comparison:
    chosen = random.Random(1)
    classes = 2 if name == "cells" else 100
    labels = [chosen.randrange(classes) for _ in range(rows)]

    def predict(right: float) -> list[int]:
        return [y if chosen.random() < right else chosen.randrange(classes) for y in labels]

    salts = chosen.randrange(R), chosen.randrange(R), chosen.randrange(R)
    return Comparison(labels, predict(0.8), predict(0.9), salts, chosen.randrange(R))


def _measured(work: Callable[[], object]) -> Round:
    before, started = _cpu(), time.perf_counter()
    assert work() is not False
    return Round(time.perf_counter() - started, _cpu() - before)


def _cpu() -> float:
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, of))


def _snarkjs(directory: Path, arguments: list[str]) -> None:
    command = [program("node"), str(SNARKJS), *arguments]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
