"""The contract, compiled by solc and run by py-evm, accepts exactly what the SDK accepts."""

import dataclasses
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth import constants
from eth.chains.base import Chain
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM
from eth_hash.auto import keccak
from hokusai.zk import g1, g2, groth16
from hokusai.zk.field import Q, R
from hokusai.zk.solidity import arguments, contract

from tests.sdk.zk.circuits import SmallCircuit, public_inputs
from tests.support.programs import finish

Call = Callable[[list[int], list[int]], bool]
# What checking a proof may cost: four pairings, and thirteen additions and multiplications.
GAS = 300_000
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def proof_and_inputs(cells: SmallCircuit) -> tuple[groth16.Points, list[int]]:
    system = cells.random_system(random.Random(8))
    return groth16.prove(cells.proving_key, system), public_inputs(system)


@pytest.fixture(scope="module")
def call(solc: Path, cells: SmallCircuit) -> Call:
    """Calls the contract; False also where it fails."""
    done = finish(
        ["node", "compile.js"],
        solc,
        {"PATH": os.environ["PATH"]},
        stdin=contract(cells.key),
    )
    assert done.returncode == 0, done.stderr
    code = bytes.fromhex(done.stdout)
    fork: Any = Chain.configure("Fork", vm_configuration=((0, CancunVM),), chain_id=1)
    genesis = {"difficulty": 0, "gas_limit": 30_000_000, "timestamp": 1}
    machine = fork.from_genesis(AtomicDB(), genesis, {}).get_vm()
    selector = keccak(b"verify(uint256[8],uint256[13])")[:4]

    def called(proof: list[int], inputs: list[int]) -> bool:
        done = machine.execute_bytecode(
            origin=constants.ZERO_ADDRESS,
            gas_price=1,
            gas=1_000_000,
            to=b"\2" * 20,
            sender=b"\1" * 20,
            value=0,
            data=selector + b"".join(n.to_bytes(32, "big") for n in [*proof, *inputs]),
            code=code,
        )
        assert done.is_error or len(done.output) == 32
        if done.is_error or not int.from_bytes(done.output, "big"):
            return False
        assert done.get_gas_used() < GAS
        return True

    return called


def test_a_valid_proof_and_its_changed_copy_are_accepted(
    call: Call, cells: SmallCircuit, proof_and_inputs: tuple[groth16.Points, list[int]]
) -> None:
    proof, inputs = proof_and_inputs

    assert call(arguments(proof), inputs)
    assert call(arguments(groth16.rerandomize(cells.key, proof)), inputs)


# py-evm takes a second for the pairings of a proof: a count, a commitment and the binding stand for
# the others.
@pytest.mark.parametrize(
    "place",
    [place if place in (0, 9, 12) else pytest.param(place, marks=SLOW) for place in range(13)],
)
def test_other_public_inputs_are_refused(
    call: Call, proof_and_inputs: tuple[groth16.Points, list[int]], place: int
) -> None:
    proof, inputs = proof_and_inputs
    wrong = [value + (n == place) for n, value in enumerate(inputs)]

    assert not call(arguments(proof), wrong)


@pytest.mark.parametrize("place", range(13))
def test_public_inputs_that_are_not_reduced_are_refused(
    call: Call, proof_and_inputs: tuple[groth16.Points, list[int]], place: int
) -> None:
    proof, inputs = proof_and_inputs

    assert not call(arguments(proof), [n + R * (at == place) for at, n in enumerate(inputs)])


@pytest.mark.parametrize("place", range(8))
def test_other_numbers_in_the_proof_are_refused(
    call: Call, proof_and_inputs: tuple[groth16.Points, list[int]], place: int
) -> None:
    proof, inputs = proof_and_inputs
    for change in (1, Q):
        wrong = [value + change * (n == place) for n, value in enumerate(arguments(proof))]

        assert not call(wrong, inputs)


@pytest.mark.parametrize(
    "change",
    [
        *(pytest.param(lambda _, name=name: {name: None}, id=f"no {name}") for name in "abc"),
        lambda proof: {"a": g1.negate(proof.a)},
        pytest.param(lambda proof: {"b": g2.negate(proof.b)}, marks=SLOW),
        pytest.param(lambda proof: {"c": g1.negate(proof.c)}, marks=SLOW),
        pytest.param(lambda proof: {"a": proof.c, "c": proof.a}, marks=SLOW),
        lambda _: {"a": g1.GENERATOR, "b": g2.GENERATOR, "c": g1.GENERATOR},
    ],
)
def test_other_points_are_refused(
    call: Call,
    proof_and_inputs: tuple[groth16.Points, list[int]],
    change: Callable[[groth16.Points], dict[str, Any]],
) -> None:
    proof, inputs = proof_and_inputs

    assert not call(arguments(dataclasses.replace(proof, **change(proof))), inputs)
