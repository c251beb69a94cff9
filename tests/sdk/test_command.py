"""The command `hokusai` with a running gateway: from logging in to verifying."""

import contextlib
import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import programs
from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import RunningGateway
from tests.support.training import Training

Run = subprocess.CompletedProcess[str]
Command = Callable[..., Run]

# Arguments: the directory, and the inverse of the regularisation, which makes models differ.
_SAVE = """
import sys
import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

features, labels = load_iris(return_X_y=True)
model = LogisticRegression(C=float(sys.argv[2]), max_iter=1000).fit(features, labels)
mlflow.sklearn.save_model(model, sys.argv[1], serialization_format="cloudpickle")
"""
_LOAD = """
import sys
import mlflow.pyfunc

print(mlflow.pyfunc.load_model(sys.argv[1]).predict([[5.1, 3.5, 1.4, 0.2]]).tolist())
"""


@pytest.fixture
def command(gateway: RunningGateway, tmp_path: Path) -> Command:
    """Runs `hokusai` in an empty home directory, with the gateway in the environment."""
    shell = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HOKUSAI_URL": gateway.mlflow,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }

    def run(*arguments: str | Path, code: int = 0, stdin: str = "", **variables: str) -> Run:
        program = [sys.executable, "-m", "hokusai", *arguments]
        finished = programs.finish(program, tmp_path, shell | variables, stdin)
        assert finished.returncode == code, f"{arguments}:\n{finished.stdout}\n{finished.stderr}"
        assert "Traceback" not in finished.stderr
        return finished

    return run


def test_a_whole_session_from_login_to_logout(
    gateway: RunningGateway, command: Command, tmp_path: Path
) -> None:
    key = gateway.key()
    assert key not in command("login", "--with-key-stdin", stdin=key).stdout
    assert stat.S_IMODE((tmp_path / ".config/hokusai/credentials").stat().st_mode) == 0o600
    who = json.loads(command("whoami", "--json").stdout)
    assert "attest" in who["scopes"]

    for name, strength in (("first", "0.01"), ("better", "1.0")):
        programs.run([sys.executable, "-c", _SAVE, tmp_path / name, strength], tmp_path)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    baseline = json.loads(
        command(
            *("register", "baseline", "--type", "iris", "--model", "first"),
            *("--metric", "accuracy=0.85", "--experiment", "from-the-shell", "--json"),
        ).stdout
    )
    registered = command(
        *("register", "improved", "--baseline", baseline["model_id"], "--model", "better"),
        *("--metric", "accuracy=0.88", "--contributor", CONTRIBUTOR, "--data", "data.csv"),
        *("--samples", "5000"),
    )
    # The gateway warns about the wrong checksum of the guide's example address.
    assert registered.stderr.startswith("hokusai: warning: ")
    assert registered.stderr.count("\n") == 1
    assert "accuracy 0.85 -> 0.88 (+0.03)" in registered.stdout

    listed = json.loads(command("models", "list", "--json", "--tenant", who["tenant"]).stdout)
    improved, first = listed["models"]
    assert (improved["kind"], first["model_id"]) == ("improved", baseline["model_id"])
    tree = command("models", "lineage", improved["model_id"]).stdout.splitlines()
    assert tree[0].startswith(baseline["model_id"])
    assert tree[1].startswith(f"└── {improved['model_id']}")
    assert tree[1].endswith("<-- this one")
    assert improved["model_id"] in command("models", "show", improved["model_id"]).stdout
    assert improved["model_id"] in command("models", "list", "--tenant", who["tenant"]).stdout

    # The upload is a model that others of the tenant can load.
    uri = f"models:/{improved['mlflow_name']}/{improved['mlflow_version']}"
    loaded = programs.run(
        [sys.executable, "-c", _LOAD, uri],
        tmp_path,
        MLFLOW_TRACKING_URI=gateway.mlflow,
        MLFLOW_TRACKING_TOKEN=key,
    )
    assert loaded == "[0]\n"

    shown = command("attest", improved["model_id"], "-o", "attestation.json").stdout
    assert "3 percentage points" in shown
    verified = command("verify", "attestation.json")
    assert "The attestation holds: witnessed, signed by 0x" in verified.stdout
    command("verify", "attestation.json", "--strict", code=1)
    command("log", "export", "-o", "log.jsonl")
    command("log", "checkpoint", "-o", "checkpoint.txt")
    documents = ("--log", "log.jsonl", "--checkpoint", "checkpoint.txt")
    command("verify", "attestation.json", *documents, "--strict")
    digest = json.loads((tmp_path / "attestation.json").read_text())["hash"]
    assert digest in command("models", "show", improved["model_id"]).stdout
    fetched = json.loads(command("attest", "--fetch", digest, "--json").stdout)
    assert fetched["hash"] == digest

    document = json.loads((tmp_path / "attestation.json").read_text())
    document["data"]["metrics"]["accuracy"] = 0.99
    (tmp_path / "attestation.json").write_text(json.dumps(document))
    assert "The attestation does not hold." in command("verify", "attestation.json", code=1).stdout

    assert "requests are left" in command("limits").stdout
    command("logout")
    assert "no credential" in command("whoami", code=2).stderr


def test_an_upload_shows_a_progress_bar_on_a_terminal(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "model" / "weights.bin").write_bytes(bytes(100_000))
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "hokusai", "register", "baseline", "--type", "x"),
            *("--model", "model", "--metric", "accuracy=0.5", "--json"),
        ],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TERM": "xterm",
            "HOKUSAI_URL": gateway.mlflow,
            "HOKUSAI_API_KEY": gateway.key(),
        },
        stdout=subprocess.PIPE,
        stderr=end,
    ) as process:
        os.close(end)
        shown = b""
        # Reading fails once the other end of the terminal is closed.
        with contextlib.suppress(OSError):
            while part := os.read(terminal, 65536):
                shown += part
        assert process.stdout is not None
        registered = json.loads(process.stdout.read())
    os.close(terminal)
    assert process.returncode == 0
    assert registered["metrics"] == {"accuracy": 0.5}
    assert b"Uploading weights.bin" in shown
    assert b"100.0/100.0 kB" in shown


def test_a_wallet_is_used_without_an_api_key(command: Command) -> None:
    identity = json.loads(command("whoami", "--json", HOKUSAI_PRIVATE_KEY="0x" + "5a" * 32).stdout)
    assert identity["principal"].startswith("wallet:0x")


def test_two_runs_are_attested(gateway: RunningGateway, command: Command) -> None:
    key = gateway.key()
    with gateway.client(key) as client:
        trainer = Training(client)
        runs = [trainer.run(accuracy=value) for value in (0.7, 0.75)]
    two = ("attest", "--baseline-run", runs[0], "--improved-run", runs[1])
    attestation: dict[str, Any] = json.loads(command(*two, "--json", HOKUSAI_API_KEY=key).stdout)
    assert (attestation["kind"], attestation["delta_one"]) == ("witnessed", 5.0)
    refused = command(*two, "--metric", "accuracy=0.9", code=1, HOKUSAI_API_KEY=key)
    assert "claim_disagrees" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_refused_registration_is_an_error(gateway: RunningGateway, command: Command) -> None:
    refused = command(
        *("register", "baseline", "--type", "x", "--run", "0" * 32),
        code=1,
        HOKUSAI_API_KEY=gateway.key(),
    )
    assert refused.stdout == ""
    assert "404 not_found" in refused.stderr


def test_a_saved_attestor_document_is_enough_to_verify(
    gateway: RunningGateway, command: Command, tmp_path: Path
) -> None:
    key = gateway.key()
    command(
        *("attest", "--claimed", "--metric", "accuracy=0.9", "-o", "claimed.json"),
        HOKUSAI_API_KEY=key,
    )
    with gateway.client() as anyone:
        response: httpx.Response = anyone.get("/.well-known/hokusai-attestor.json")
    (tmp_path / "known.json").write_text(response.text)
    verified = command("verify", "claimed.json", "--known", "known.json")
    assert "The attestation holds: claimed, signed by" in verified.stdout
