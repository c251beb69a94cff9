"""Other people's provers and verifiers, arkworks (by groth16py) and snarkjs, agree with ours."""

import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hokusai.zk import groth16, key_files, provers, solidity
from hokusai.zk.circom_files import r1cs
from hokusai.zk.circuits import STATEMENTS
from hokusai.zk.commitments import commit
from hokusai.zk.field import R
from hokusai.zk.statements import Comparison

from tests.sdk.zk.circuits import SmallCircuit, public_inputs
from tests.sdk.zk.conftest import PEERS
from tests.support.programs import finish


@pytest.fixture(params=STATEMENTS)
def circuit(request: pytest.FixtureRequest) -> SmallCircuit:
    found: SmallCircuit = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[3, pytest.param(200, marks=pytest.mark.slow)])
def cases(request: pytest.FixtureRequest) -> int:
    """How many random cases."""
    number: int = request.param
    return number


def changed(public: list[int], chosen: random.Random) -> list[int]:
    """The public inputs, with one of them changed or two exchanged."""
    result = list(public)
    place = chosen.randrange(len(public))
    if chosen.random() < 0.5:
        result[place] = (result[place] + chosen.choice([1, -1, chosen.randrange(1, R)])) % R
        return result
    other = chosen.choice([n for n, value in enumerate(public) if value != public[place]])
    result[place], result[other] = result[other], result[place]
    return result


def test_arkworks_proves_and_verifies_the_same(
    groth16py: Any, circuit: SmallCircuit, cases: int
) -> None:
    chosen = random.Random(cases)
    imported, exported = groth16py.import_zkey(str(circuit.zkey))
    verifier = groth16py.Verifier(exported)
    for number in range(cases):
        system = circuit.random_system(chosen)
        public = public_inputs(system)
        wrong = changed(public, chosen)
        content = groth16py.prove_wtns(imported, str(circuit.witness_file(system, str(number % 2))))
        proof = provers.decode(content)

        assert groth16.verify(circuit.key, public, proof)
        assert verifier.verify(content, public)
        assert not groth16.verify(circuit.key, wrong, proof)
        assert not verifier.verify(content, wrong)


def test_arkworks_makes_its_own_keys_of_our_constraints(
    groth16py: Any, circuit: SmallCircuit, tmp_path: Path
) -> None:
    """From the `.r1cs` alone, without any key of ours."""
    system = circuit.random_system(random.Random(5))
    path = tmp_path / "circuit.r1cs"
    path.write_bytes(r1cs(system))
    proving_key, verifying_key = groth16py.setup(str(path))
    content = groth16py.prove_wtns(proving_key, str(circuit.witness_file(system, "own")))

    public = public_inputs(system)
    assert groth16py.Verifier(verifying_key).verify(content, public)
    assert not groth16py.Verifier(verifying_key).verify(content, changed(public, random.Random(5)))


def test_the_compiled_prover_is_found_and_used(groth16py: Any, cells: SmallCircuit) -> None:
    comparison = Comparison([0, 1, 1], [0, 0, 1], [0, 1, 1], (1, 2, 3), 4)

    assert provers.available() == "groth16py"
    proof = provers.prove(cells.key, cells.zkey, comparison)
    proof.check({cells.key.circuit}, 4)


@pytest.mark.slow
def test_the_compiled_prover_proves_10240_rows(groth16py: Any, tmp_path: Path) -> None:
    """The largest circuit, with all of its rows; its setup in Python takes a minute."""
    chosen = random.Random(10240)
    labels, baseline, improved = ([chosen.randrange(2) for _ in range(10240)] for _ in range(3))
    key = key_files.make(tmp_path, "cells", 10240)
    path = key_files.proving_key_path(tmp_path, key.circuit)
    proof = provers.prove(
        key, path, Comparison(labels, baseline, improved, (1, 2, 3), 4), provers.COMPILED
    )

    proof.check({key.circuit}, 4)
    rows = Counter(zip(labels, baseline, improved, strict=True))
    assert list(proof.counts.values()) == [rows[y, b, i] for y, b, i in product((0, 1), repeat=3)]
    assert proof.shared["rows"] == 10240
    assert proof.shared["labels"] == commit("labels", labels, 1, 10240, 1)
    _, exported = groth16py.import_zkey(str(path))
    content = b"".join(n.to_bytes(32, "big") for n in solidity.arguments(proof.points))
    verifier = groth16py.Verifier(exported)
    assert verifier.verify(content, list(proof.public))
    assert not verifier.verify(content, changed(list(proof.public), chosen))


def test_a_proof_of_ours_is_accepted_by_arkworks_and_snarkjs(
    groth16py: Any, snarkjs: Path, circuit: SmallCircuit
) -> None:
    chosen = random.Random(3)
    system = circuit.random_system(chosen)
    public = public_inputs(system)
    proof = groth16.prove(circuit.proving_key, system)
    others = [changed(public, chosen) for _ in range(5)]
    _, exported = groth16py.import_zkey(str(circuit.zkey))
    content = b"".join(n.to_bytes(32, "big") for n in solidity.arguments(proof))

    verifier = groth16py.Verifier(exported)
    assert [verifier.verify(content, inputs) for inputs in (public, *others)] == [True] + [
        False
    ] * 5
    asked = [snarkjs_case([public, *others], proof=proof)]
    assert ask_snarkjs(snarkjs, circuit, asked)[0]["verdicts"] == [True] + [False] * 5


def test_snarkjs_proves_and_verifies_the_same(
    snarkjs: Path, circuit: SmallCircuit, cases: int
) -> None:
    chosen = random.Random(cases)
    systems = [circuit.random_system(chosen) for _ in range(cases)]
    publics = [public_inputs(system) for system in systems]
    wrong = [changed(public, chosen) for public in publics]
    asked = [
        snarkjs_case(both, witness=str(circuit.witness_file(system, f"snarkjs-{number}")))
        for number, (system, *both) in enumerate(zip(systems, publics, wrong, strict=True))
    ]
    said = ask_snarkjs(snarkjs, circuit, asked)
    proofs = [groth16.Points.from_json(one["proof"]) for one in said]

    assert [[int(n) for n in one["publicSignals"]] for one in said] == publics
    assert [one["verdicts"] for one in said] == [[True, False]] * cases
    assert all(map(groth16.verify, [circuit.key] * cases, publics, proofs))
    assert not any(map(groth16.verify, [circuit.key] * cases, wrong, proofs))


def snarkjs_case(
    inputs: list[list[int]], witness: str | None = None, proof: groth16.Points | None = None
) -> dict[str, Any]:
    """A proof, or the file of a witness to prove, and public inputs to verify it for."""
    return {
        "witness": witness,
        "proof": proof and proof.as_json(),
        "inputs": [[str(n) for n in one] for one in inputs],
    }


def ask_snarkjs(snarkjs: Path, circuit: SmallCircuit, cases: list[dict[str, Any]]) -> list[Any]:
    """For each case what snarkjs says: `verdicts`, `proof`, and `publicSignals` where it proved.

    One process has many cases; it takes about half a second to start, and as long for a proof.
    """

    def ask(part: list[dict[str, Any]]) -> list[Any]:
        done = finish(
            ["node", PEERS / "snark.js"],
            snarkjs,
            {"PATH": os.environ["PATH"], "NODE_PATH": str(snarkjs / "node_modules")},
            stdin=json.dumps(
                {"zkey": str(circuit.zkey), "key": circuit.key.as_json(), "cases": part}
            ),
            timeout=800,
        )
        assert done.returncode == 0, done.stderr
        said: list[Any] = json.loads(done.stdout)
        return said

    processors = os.cpu_count() or 1
    size = max(10, -(-len(cases) // processors))
    parts = [cases[start : start + size] for start in range(0, len(cases), size)]
    with ThreadPoolExecutor(processors) as pool:
        return [one for said in pool.map(ask, parts) for one in said]
