"""The SDK's and the command's way to a proven attestation, against a gateway with MLflow."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hokusai import proofs
from hokusai.api import GatewayAPI
from hokusai.cli.main import main
from hokusai.client import GatewayClient
from hokusai.errors import ConflictError, DocumentError, InputError, ProofError
from hokusai.proofs import Committed, Proving, commit_labels, commit_predictions
from hokusai.verify import verify

from tests.support.benchmarks import register_improved
from tests.support.circuit_keys import CAPACITY, CircuitKeys, shared_keys
from tests.support.gateway import RunningGateway
from tests.support.proving import BASELINE, IMPROVED, LABELS
from tests.support.responses import good
from tests.support.training import Training

MEMBERS = {"name": "small", "dataset_hash": "ab" * 32, "dataset_version": "1"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> CircuitKeys:
    return shared_keys(tmp_path_factory)


@pytest.fixture(scope="module")
def gateway_with_circuit(
    new_database: Callable[[], str], mlflow_server: Any, keys: CircuitKeys
) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), mlflow_server.url, proof_keys=keys.directory) as running:
        yield running


@pytest.fixture(scope="module")
def prover(gateway_with_circuit: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway_with_circuit) as made:
        yield made


@pytest.fixture(autouse=True)
def _small_circuit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The circuit of eight rows stands for that of 1,024, which takes longer."""
    monkeypatch.setattr(proofs, "capacity_for", lambda of, rows: CAPACITY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def api(
    gateway_with_circuit: RunningGateway, prover: Training, monkeypatch: pytest.MonkeyPatch
) -> GatewayAPI:
    monkeypatch.setenv("HOKUSAI_URL", gateway_with_circuit.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", gateway_with_circuit.key(prover.tenant))
    return GatewayAPI(GatewayClient.connect())


def models(prover: Training) -> tuple[str, str]:
    baseline = prover.baseline(accuracy=0.625)
    improved = register_improved(prover, baseline, run_id=prover.run(accuracy=0.875))
    return baseline["model_id"], good(improved, 201)["model_id"]


def test_from_labels_to_a_proven_attestation(
    api: GatewayAPI, prover: Training, tmp_path: Path, keys: CircuitKeys
) -> None:
    proving = Proving(api)
    labels = commit_labels(LABELS)
    benchmark_id = proving.register_benchmark(labels, metric="accuracy", **MEMBERS)["benchmark_id"]
    baseline_id, improved_id = models(prover)
    before, after = commit_predictions(BASELINE), commit_predictions([float(p) for p in IMPROVED])
    proving.send_predictions(benchmark_id, baseline_id, before)
    proving.send_predictions(benchmark_id, improved_id, after)
    after.save(tmp_path / "after.json")
    assert Committed.load(tmp_path / "after.json") == after

    ids = (benchmark_id, baseline_id, improved_id)
    made = proving.prove(*ids, labels, before, after, prover="python")
    attestation = api.attest(
        {name: made[name] for name in ("benchmark_id", "improved_model_id", "proof")}
    )

    report = verify(
        dict(attestation),
        attestors=attestation["signature"]["signer"],
        circuits=keys.verifying.circuit,
    )
    assert report.kind == "proven"
    assert report["proof"].result.value == "holds"
    # The key was kept, and is used again.
    assert (proving.directory / keys.proving.name).exists()

    with pytest.raises(ProofError, match="not the labels of"):
        proving.prove(*ids, commit_labels(LABELS), before, after)
    with pytest.raises(ConflictError):
        proving.send_predictions(benchmark_id, improved_id, before)
    with pytest.raises(InputError, match="labels first"):
        proving.prove(*ids, before, labels, after)
    with pytest.raises(InputError, match="do not belong together"):
        proving.prove(*ids, labels, before, commit_predictions(IMPROVED, statement="agreement"))
    other = [
        Committed(one.role, "agreement", CAPACITY, one.values, one.salt)
        for one in (labels, before, after)
    ]
    with pytest.raises(ProofError, match="no circuit for the statement agreement"):
        proving.prove(*ids, *other)


def test_the_same_by_the_command(
    api: GatewayAPI, prover: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> Any:
        assert main(list(arguments)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    for name, values in (("y", LABELS), ("b", BASELINE), ("i", IMPROVED)):
        (tmp_path / f"{name}.txt").write_text("\n".join(map(str, values)) + "\n")
    baseline_id, improved_id = models(prover)
    text = {name: str(tmp_path / f"{name}.txt") for name in "ybi"}
    secret = {name: str(tmp_path / f"{name}.json") for name in "ybi"}
    dataset = ("--dataset-hash", "cd" * 32, "--dataset-version", "1")
    commit = ("benchmark", "commit", text["y"], "--name", "test", *dataset, "--save", secret["y"])
    made = json.loads(run(*commit, "--json"))
    benchmark_id = made["benchmark_id"]
    # A second time it is the same benchmark, by what was saved.
    assert json.loads(run(*commit, "--json"))["benchmark_id"] == benchmark_id
    assert benchmark_id in run(*commit)
    for name, model_id in (("b", baseline_id), ("i", improved_id)):
        saved = ("--save", secret[name])
        run("benchmark", "predict", benchmark_id, model_id, text[name], *saved)
    proof, output = str(tmp_path / "proof.json"), str(tmp_path / "attestation.json")
    run(
        *("benchmark", "prove", benchmark_id, "--prover", "python", "-o", proof),
        *("--baseline-model", baseline_id, "--improved-model", improved_id),
        *("--labels", secret["y"], "--baseline", secret["b"], "--improved", secret["i"]),
    )
    run("attest", "--proof", proof, "-o", output)
    known = tmp_path / "known.json"
    known.write_text(prover.client.get("/.well-known/hokusai-attestor.json").text)
    said = run("verify", output, "--known", str(known))
    assert "ok  proof" in said
    assert "The attestation holds: proven" in said

    (tmp_path / "y.txt").write_text("1\n")
    assert main(list(commit)) == 2
    assert "has other values" in capsys.readouterr().err
    (tmp_path / "y.txt").write_text("1\nyes\n")
    assert main(list(commit)) == 2
    assert "Line 2" in capsys.readouterr().err
    assert main(["attest", "--proof", text["b"]]) == 2
    assert "hokusai benchmark prove" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "0 rows"), ([0.5], "Row 0"), (["1"], "Row 0"), ([-1], "Row 0"), ([70000], "Row 0")],
)
def test_values_that_cannot_be_committed_to(values: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        commit_labels(values)


def test_a_file_of_something_else_has_no_committed_values(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    for content in ("", "[]", '{"role": "labels"}', json.dumps({"role": 1} | MEMBERS)):
        path.write_text(content)
        with pytest.raises(DocumentError, match="no committed values"):
            Committed.load(path)
    with pytest.raises(DocumentError, match="no committed values"):
        Committed.load(tmp_path / "missing.json")
    before = path.read_text()
    with pytest.raises(InputError, match="exists, and is not this commitment"):
        commit_labels([1, 0]).save(path)
    assert path.read_text() == before
    path.unlink()
    committed = commit_labels([1, 0])
    committed.save(path)
    committed.save(path)
    # The same values with another salt.
    with pytest.raises(InputError, match="exists, and is not this commitment"):
        commit_labels([1, 0]).save(path)
    assert Committed.load(path) == committed
    document = json.loads(path.read_text()) | {"role": "guesses"}
    path.write_text(json.dumps(document))
    with pytest.raises(DocumentError, match="no valid role"):
        Committed.load(path)
