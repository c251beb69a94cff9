"""Proofs: what the prover makes is accepted, and nothing else is."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, Callable

import pytest

from comparisons import compare
from hokusai.errors import DocumentError, InputError, ProofError
from hokusai.zk import g1, g2, groth16, provers, zkey
from hokusai.zk.circuits import statement
from hokusai.zk.field import Q, R
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.multiples import sum_of_multiples
from hokusai.zk.proof import Proof
from hokusai.zk.setup import setup_system
from hokusai.zk.statements import SHARED
from zk.test_arithmetic import point_outside_the_subgroup

if TYPE_CHECKING:
    from zk.conftest import Keys

CELLS = statement("cells")
COMPARISON = compare(CELLS, 3)


def test_a_proof_shows_counts_rows_commitments_and_binding(proof: Proof) -> None:
    proof.check({proof.key.circuit}, COMPARISON.binding)

    assert list(proof.public) == CELLS.public_inputs(COMPARISON, proof.key.capacity)
    assert list(proof.counts.values()) == CELLS.count(COMPARISON)
    assert tuple(proof.shared) == SHARED
    assert proof.shared["rows"] == 3


def test_the_same_proof_after_it_was_written_and_read(proof: Proof) -> None:
    again = Proof.from_json(proof.as_json())

    assert again == proof
    again.check({proof.key.circuit})


def test_two_proofs_of_the_same_differ_and_reveal_nothing_of_their_order(
    keys: Keys, proof: Proof
) -> None:
    other = groth16.prove(keys.proving, CELLS.build(COMPARISON, keys.verifying.capacity))

    assert groth16.verify(keys.verifying, proof.public, other)
    assert not {proof.points.a, proof.points.b, proof.points.c} & {other.a, other.b, other.c}


@pytest.mark.parametrize("index", range(13))
def test_a_public_input_that_is_changed_is_refused(proof: Proof, index: int) -> None:
    for change in (1, -1, R):
        public = [value + change * (n == index) for n, value in enumerate(proof.public)]

        assert not groth16.verify(proof.key, public, proof.points)


@pytest.mark.parametrize("count", [12, 14])
def test_another_number_of_public_inputs_is_refused(proof: Proof, count: int) -> None:
    assert not groth16.verify(proof.key, [*proof.public, 0][:count], proof.points)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_point_that_is_changed_is_refused(proof: Proof, name: str) -> None:
    group: Any = g2 if name == "b" else g1
    point = getattr(proof.points, name)
    wrong = [
        None,
        group.negate(point),
        group.GENERATOR,
        group.settle(group.double(group.lift(point))),
        (point[0], point[0]),
        *(
            [point_outside_the_subgroup(), ((point[0][0] + Q, point[0][1]), point[1])]
            if group is g2
            else [(point[0] + Q, point[1]), (point[0], point[1] - Q)]
        ),
    ]
    for other in wrong:
        points = dataclasses.replace(proof.points, **{name: other})

        assert not groth16.verify(proof.key, proof.public, points)


def test_a_valid_proof_can_be_changed_into_another_of_the_same_public_inputs(proof: Proof) -> None:
    """Which is why the gateway and the verifiers identify an attestation by its data alone."""
    changed = groth16.rerandomize(proof.key, proof.points)
    opposite = groth16.Points(g1.negate(proof.points.a), g2.negate(proof.points.b), proof.points.c)

    for points in (changed, opposite):
        assert points != proof.points
        assert groth16.verify(proof.key, proof.public, points)


def test_a_circuit_that_is_not_pinned_is_refused(proof: Proof) -> None:
    with pytest.raises(ProofError, match="named no circuit"):
        proof.check(())
    with pytest.raises(ProofError, match="named no circuit"):
        proof.check({"0" * 64})


def test_anybody_can_forge_proofs_with_a_key_of_their_own_which_nobody_pins(keys: Keys) -> None:
    """A key whose secrets are known, or of constraints that require nothing."""
    system = CELLS.build(COMPARISON, keys.verifying.capacity)
    system.constraints = system.constraints[-1:]
    system.wires = [1, 0, 0, 0, 0, 0, 0, 0, 3, 3, 4, 5, 6, 7, 49]
    system.constraints = [type(system.constraints[0])({13: 1}, {13: 1}, {14: 1})]
    own = setup_system(system)
    key = dataclasses.replace(
        keys.verifying,
        alpha=own.alpha1,
        beta=own.beta2,
        gamma=own.gamma2,
        delta=own.delta2,
        inputs=tuple(own.inputs),
    )
    forged = Proof(key, tuple(system.wires[1:14]), groth16.prove(own, system))

    forged.check({key.circuit})
    with pytest.raises(ProofError, match="named no circuit"):
        forged.check({keys.verifying.circuit})


def test_a_key_to_which_no_party_contributed_proves_anything_and_is_not_read(proof: Proof) -> None:
    """Such a key has the same gamma and delta, and its own points make a proof of any inputs."""
    key = dataclasses.replace(proof.key, delta=proof.key.gamma)
    public = [8, *[0] * 7, 8, 1, 2, 3, 4]
    inputs = sum_of_multiples(g1, list(key.inputs), [1, *public])
    forged = groth16.Points(key.alpha, key.beta, g1.negate(inputs))

    assert groth16.verify(key, public, forged)
    with pytest.raises(DocumentError, match="anybody can forge proofs"):
        VerifyingKey.from_json(key.as_json())


def test_a_proof_for_something_else_is_refused(proof: Proof) -> None:
    with pytest.raises(ProofError, match="its binding differs"):
        proof.check({proof.key.circuit}, COMPARISON.binding + 1)


def test_counts_that_do_not_add_up_are_refused_before_any_arithmetic(proof: Proof) -> None:
    for public in ((*proof.public[:8], 4, *proof.public[9:]), (0,) * 13):
        with pytest.raises(ProofError, match="do not add up"):
            dataclasses.replace(proof, public=public).check({proof.key.circuit})


def test_a_proof_that_does_not_hold_is_refused(proof: Proof) -> None:
    wrong = dataclasses.replace(proof, public=(*proof.public[:-1], 0))

    with pytest.raises(ProofError, match="does not hold"):
        wrong.check({proof.key.circuit})


def set_at(*path: Any) -> Callable[[Any, Any], None]:
    def change(document: Any, value: Any) -> None:
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (set_at("system"), "plonk"),
        (set_at("more"), 1),
        (set_at("statement"), "agreement"),
        (set_at("setup"), "ceremony:" + "0" * 64),
        (set_at("circuit"), "0" * 64),
        (set_at("public"), []),
        (set_at("public"), None),
        *[
            (set_at("public", 3), wrong)
            for wrong in (
                0,
                None,
                "",
                "-1",
                "+1",
                "01",
                "1.0",
                "0x1",
                " 1",
                "1\n",
                "\u0661",
                str(R),
            )
        ],
        (set_at("proof"), None),
        (set_at("proof", "more"), 1),
        (set_at("proof", "protocol"), "plonk"),
        (set_at("proof", "curve"), "bls12381"),
        (set_at("proof", "pi_a"), ["0", "0", "1"]),
        (set_at("proof", "pi_a"), ["0", "1", "0"]),
        (set_at("proof", "pi_a"), ["1", "2"]),
        (set_at("proof", "pi_a"), [str(1 + Q), "2", "1"]),
        (set_at("proof", "pi_a", 2), "2"),
        (set_at("proof", "pi_a", 0), "1"),
        (set_at("proof", "pi_b"), [["0", "0"], ["1", "0"], ["0", "0"]]),
        (set_at("proof", "pi_b", 0), ["1", "1"]),
        (set_at("proof", "pi_b", 0), ["1"]),
        (set_at("proof", "pi_b", 2), ["1", "1"]),
        (set_at("verifying_key", "statement"), "agreement"),
        (set_at("verifying_key", "statement"), []),
        (set_at("verifying_key", "capacity"), 5),
        (set_at("verifying_key", "capacity"), True),
        (set_at("verifying_key", "setup"), "nobody"),
        (set_at("verifying_key", "curve"), "bls12381"),
        (set_at("verifying_key", "IC"), []),
        (set_at("verifying_key", "vk_alpha_1"), ["1", "2", "1"]),
        (set_at("verifying_key", "circuit"), None),
        (set_at("verifying_key"), []),
    ],
)
def test_a_document_in_any_other_form_is_refused(
    proof: Proof, change: Callable[[Any, Any], None], value: Any
) -> None:
    document = copy.deepcopy(proof.as_json())
    change(document, value)

    with pytest.raises(DocumentError):
        Proof.from_json(document)


def test_a_point_outside_the_subgroup_is_refused(proof: Proof) -> None:
    document = copy.deepcopy(proof.as_json())
    outside = point_outside_the_subgroup()
    assert outside is not None
    document["proof"]["pi_b"] = [[str(n) for n in pair] for pair in outside] + [["1", "0"]]

    with pytest.raises(DocumentError, match="not in the subgroup"):
        Proof.from_json(document)


def test_a_verifying_key_survives_writing_and_reading(keys: Keys) -> None:
    assert VerifyingKey.from_json(keys.verifying.as_json()) == keys.verifying
    wrong: Any
    for wrong in (None, [], {}, {"protocol": "groth16"}):
        with pytest.raises(DocumentError):
            VerifyingKey.from_json(wrong)


@pytest.mark.parametrize(
    "change", [{"setup": "ceremony:" + "1" * 64}, {"capacity": 5}, {"alpha": (1, 2)}]
)
def test_the_identifier_of_a_circuit_covers_all_of_its_key(
    keys: Keys, change: dict[str, Any]
) -> None:
    assert dataclasses.replace(keys.verifying, **change).circuit != keys.verifying.circuit


def test_a_proving_key_survives_writing_and_reading(keys: Keys) -> None:
    content = keys.path.read_bytes()

    assert zkey.read(content) == keys.proving
    for wrong in (b"", b"zkey", b"r1cs" + content[4:], content[:-1], content[:900]):
        with pytest.raises(DocumentError):
            zkey.read(wrong)
    other_version = content[:4] + b"\2" + content[5:]
    with pytest.raises(DocumentError, match="another version"):
        zkey.read(other_version)


@pytest.mark.parametrize(
    "change",
    [
        {"delta1": None},
        {"delta1": (1, 2)},
        {"delta1": (1, 1)},
        {"delta2": None},
        {"delta2": g2.GENERATOR},
        {"delta2": point_outside_the_subgroup()},
        {"beta1": (1, 2)},
        {"wires": 20},
        {"public": 12},
        {"domain": 512},
    ],
)
def test_a_proving_key_that_would_reveal_the_witness_or_fail_is_refused(
    keys: Keys, change: dict[str, Any]
) -> None:
    system = CELLS.build(COMPARISON, keys.verifying.capacity)

    with pytest.raises(DocumentError, match="proving key"):
        groth16.prove(dataclasses.replace(keys.proving, **change), system)


def test_the_prover_refuses_a_proving_key_of_another_circuit(keys: Keys, tmp_path: Any) -> None:
    other = dataclasses.replace(keys.verifying, setup="ceremony:" + "0" * 64, alpha=(1, 2))

    with pytest.raises(DocumentError, match="is not the proving key of circuit"):
        provers.prove(other, keys.path, COMPARISON)
    with pytest.raises(DocumentError, match="cannot be read"):
        provers.prove(keys.verifying, tmp_path / "missing.zkey", COMPARISON)
    with pytest.raises(InputError, match="is not a prover"):
        provers.prove(keys.verifying, keys.path, COMPARISON, "gpu")


def test_the_compiled_prover_is_named_only_where_it_is_installed(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert provers.available() == "python"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert provers.available() == "groth16py"

    monkeypatch.setitem(__import__("sys").modules, "groth16py", None)
    with pytest.raises(InputError, match="pip install groth16py"):
        provers.prove(keys.verifying, keys.path, COMPARISON)


def test_wires_that_break_the_constraints_give_no_proof_that_holds(keys: Keys) -> None:
    """The prover does not look at the constraints; the verifier's equation does."""
    system = CELLS.build(COMPARISON, keys.verifying.capacity)
    system.wires[1] += 1
    system.wires[9] += 1
    forged = groth16.prove(keys.proving, system)

    assert not groth16.verify(keys.verifying, system.wires[1:14], forged)
