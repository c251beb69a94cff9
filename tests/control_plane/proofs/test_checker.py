"""Checking proofs in processes of their own: the limits, and what the script itself refuses."""

import asyncio
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hokusai.zk import groth16, provers
from hokusai.zk.statements import Comparison

from app.control_plane.proofs import checker, pairing_check
from app.control_plane.proofs.checker import MAX_OF_TENANT, MAX_WAITING, ProofChecker
from app.control_plane.proofs.circuits import Circuit, Circuits
from app.control_plane.proofs.schemas import ProofRequest
from app.core.errors import GatewayBusyError, ProofRefusedError
from tests.support.circuit_keys import shared_keys
from tests.support.proving import BASELINE, IMPROVED, LABELS

POINT = ["1", "2", "1"]
TWISTED: list[list[str]] = [["1", "0"], ["1", "0"], ["1", "0"]]
PROOF = ProofRequest.model_validate(
    {
        "system": "groth16-bn254",
        "circuit": "0" * 64,
        "statement": "agreement",
        "setup": "operator",
        "public": ["0"] * 9,
        "proof": {
            "pi_a": POINT,
            "pi_b": TWISTED,
            "pi_c": POINT,
            "protocol": "groth16",
            "curve": "bn128",
        },
    }
)
KEY: dict[str, Any] = {
    "vk_alpha_1": POINT,
    "vk_beta_2": TWISTED,
    "vk_gamma_2": TWISTED,
    "vk_delta_2": TWISTED,
    "IC": [POINT] * 10,
}
CIRCUIT = Circuit("0" * 64, "agreement", 8, "operator", KEY, Path("none"))


async def test_proofs_are_checked_one_at_a_time_and_few_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = highest = 0
    gate = asyncio.Event()

    async def holds(*_: object) -> bool:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await gate.wait()
        running -= 1
        return True

    monkeypatch.setattr(checker, "_holds", holds)
    proofs = ProofChecker()
    waiting = [
        asyncio.create_task(proofs.require(f"t{number // 2}", CIRCUIT, PROOF))
        for number in range(MAX_WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(GatewayBusyError, match="waiting to be checked"):
        await proofs.require("another", CIRCUIT, PROOF)
    gate.set()
    await asyncio.gather(*waiting)
    assert highest == 1
    await proofs.require("t", CIRCUIT, PROOF)


async def test_one_tenant_does_not_keep_out_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()

    async def holds(*_: object) -> bool:
        return await gate.wait()

    monkeypatch.setattr(checker, "_holds", holds)
    proofs = ProofChecker()
    flood = [asyncio.create_task(proofs.require("flood", CIRCUIT, PROOF)) for _ in range(20)]
    other = asyncio.create_task(proofs.require("other", CIRCUIT, PROOF))
    await asyncio.sleep(0)
    gate.set()
    refused = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(one, GatewayBusyError) for one in refused) == 20 - MAX_OF_TENANT
    await other


async def test_a_process_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time\ntime.sleep(1000)\n")
    monkeypatch.setattr(checker, "_SCRIPT", script)
    monkeypatch.setattr(checker, "TIMEOUT", 0.2)
    with pytest.raises(GatewayBusyError, match="could not be checked"):
        await ProofChecker().require("t", CIRCUIT, PROOF)


@pytest.mark.parametrize(
    "content",
    ["import sys; sys.exit(7)", "raise MemoryError", "import os; os.kill(os.getpid(), 9)", "x = ("],
)
async def test_a_process_that_fails_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    script = tmp_path / "failing.py"
    script.write_text(content)
    monkeypatch.setattr(checker, "_SCRIPT", script)
    proofs = ProofChecker()
    for _ in range(MAX_OF_TENANT + 1):
        with pytest.raises(GatewayBusyError, match="could not be checked"):
            await proofs.require("t", CIRCUIT, PROOF)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(GatewayBusyError, match="could not be checked"):
        await proofs.require("t", CIRCUIT, PROOF)
    assert pairing_check.REFUSED == checker._REFUSED


async def test_points_that_are_none_are_refused_by_the_process() -> None:
    with pytest.raises(ProofRefusedError, match="does not hold"):
        await ProofChecker().require("t", CIRCUIT, PROOF)


def test_the_script_agrees_with_the_sdk(tmp_path_factory: pytest.TempPathFactory) -> None:
    """On a proof, and on each of its parts changed; hundreds more are in tests/sdk/zk."""
    _, key, path = shared_keys(tmp_path_factory)
    comparison = Comparison(LABELS, BASELINE, IMPROVED, (1, 2, 3), 4)
    made = provers.prove(key, path, comparison, provers.PYTHON)
    public = [str(value) for value in made.public]
    proof, document = made.points.as_json(), key.as_json()

    assert pairing_check.holds(document, public, proof)
    other = groth16.rerandomize(key, made.points)
    assert pairing_check.holds(document, public, other.as_json())
    assert not pairing_check.holds(document, [*public[:-1], "5"], proof)
    for wrong in ([*public[:-1], str(int(public[-1]) + pairing_check.R)], public[:-1], ["01"] * 13):
        with pytest.raises(pairing_check._RefusedError):
            pairing_check.holds(document, wrong, proof)


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"protocol": "plonk"},
        {"nPublic": 12},
        {"circuit": "1" * 64},
        {"capacity": True},
        {"vk_alpha_1": lambda point: [int(point[0]), *point[1:]]},
        {"vk_alpha_1": lambda point: [f"0{point[0]}", *point[1:]]},
        {"vk_alpha_1": lambda point: [*point[:2], "2"]},
        {"vk_beta_2": lambda point: [[f" {n}" for n in point[0]], *point[1:]]},
        {"vk_beta_2": lambda point: [*point[:2], ["1", "1"]]},
        {"IC": lambda points: points[:-1]},
        {"IC": lambda points: [*points[:-1], points[-1][:2]]},
    ],
)
async def test_a_verifying_key_has_one_form(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, change: dict[str, Any]
) -> None:
    _, key, _ = shared_keys(tmp_path_factory)
    document = key.as_json()
    path = tmp_path / f"{key.circuit}.json"
    path.write_text(json.dumps(document))
    assert len(await Circuits(tmp_path).all()) == 1
    for name, value in change.items():
        changed = value(document[name]) if callable(value) else value
        path.write_text(json.dumps({**document, name: changed}))
    assert await Circuits(tmp_path).all() == []


async def test_a_directory_of_keys_is_read_again_when_it_changes(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path / "keys"
    circuits = Circuits(directory)
    assert await circuits.all() == []
    made, key, _ = shared_keys(tmp_path_factory)
    shutil.copytree(made, directory)
    assert [one.circuit for one in await circuits.all()] == [key.circuit]
    wrong = directory / f"{'1' * 64}.json"
    wrong.write_text(json.dumps(key.as_json()))
    (directory / "empty.json").write_text("{}")
    # To which no party contributed, so that anybody can forge proofs.
    unsound = dataclasses.replace(key, delta=key.gamma)
    (directory / f"{unsound.circuit}.json").write_text(json.dumps(unsound.as_json()))
    assert [one.circuit for one in await circuits.all()] == [key.circuit]
