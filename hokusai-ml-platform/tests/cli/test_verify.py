"""Verifying from the shell: what is said, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hokusai.cli import trusted_attestors
from vector_file import IMPROVEMENT, KNOWN, LOG_KEY, SIGNER, VECTORS, changed

from .conftest import Command


@pytest.fixture
def file(tmp_path: Path) -> str:
    return written(tmp_path, "attestation.json", IMPROVEMENT)


def written(directory: Path, name: str, document: Any) -> str:
    path = directory / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_a_named_attestor_is_enough(command: Command, file: str) -> None:
    done = command("verify", file, "--attestor", SIGNER)
    assert done.code == 0
    assert f"The attestation holds: witnessed, signed by {SIGNER}." in done.out
    assert "-- " in done.out
    assert command("verify", file, "--attestor", SIGNER, "--strict").code == 1


def test_nobody_named_is_not_good(command: Command, file: str) -> None:
    done = command("verify", file)
    assert done.code == 1
    assert f"signed by {SIGNER}, but you have named no attestor to trust" in done.out


def test_everything_can_be_checked(command: Command, file: str, tmp_path: Path) -> None:
    known = written(tmp_path, "known.json", KNOWN)
    pages = "\n".join(json.dumps(page) for page in VECTORS["log_pages"])
    export = written(tmp_path, "log.jsonl", pages)
    early = written(tmp_path, "checkpoint.txt", VECTORS["early_checkpoint"])
    proof = written(tmp_path, "proof.json", VECTORS["consistency"])
    whole = ["--known", known, "--log", export, "--checkpoint", early, "--consistency", proof]
    done = command("verify", file, *whole, "--strict", "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert report["complete"]
    assert [check["name"] for check in report["checks"]] == [
        "hash",
        "signature",
        "signer",
        "eas",
        "checkpoint",
        "consistency",
        "export",
        "inclusion",
        "revocation",
    ]
    revoked = written(tmp_path, "revoked.json", VECTORS["revoked_later"])
    done = command("verify", revoked, *whole)
    assert done.code == 1
    assert "revokes it: It leaked." in done.out


def test_the_keys_one_by_one(command: Command, file: str) -> None:
    done = command("verify", file, "--attestor", SIGNER, "--log-key", LOG_KEY, "--json")
    checks = {each["name"]: each["result"] for each in json.loads(done.out)["checks"]}
    assert checks["inclusion"] == "holds"
    assert checks["revocation"] == "unchecked"


@pytest.mark.parametrize("case", VECTORS["tampered"][:6])
def test_tampering_is_code_1(command: Command, tmp_path: Path, case: dict[str, Any]) -> None:
    document = changed(IMPROVEMENT, tuple(case["path"].split(".")), case["value"])
    done = command("verify", written(tmp_path, "a.json", document), "--attestor", SIGNER)
    assert done.code == 1
    assert "The attestation does not hold." in done.out


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "[" * 100_000, '{"a": 1, "a": 2}', "NaN"])
def test_what_is_no_document_is_code_2(command: Command, tmp_path: Path, text: str) -> None:
    done = command("verify", written(tmp_path, "a.json", text), "--attestor", SIGNER)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1


def test_what_is_no_checkpoint_is_code_2(command: Command, file: str, tmp_path: Path) -> None:
    done = command("verify", file, "--checkpoint", written(tmp_path, "held", "a,b\n1,2\n"))
    assert (done.code, done.out) == (2, "")
    assert "is not a valid checkpoint" in done.err


def test_wrong_keys_are_code_2(command: Command, file: str, tmp_path: Path) -> None:
    for wrong in (["--attestor", "0x12"], ["--log-key", "x"]):
        assert command("verify", file, *wrong).code == 2
    for option in ("--known", "--consistency", "--log"):
        assert command("verify", file, option, written(tmp_path, "x", "[1]")).code == 2
    proof = written(tmp_path, "proof.json", VECTORS["consistency"])
    assert command("verify", file, "--consistency", proof).code == 2


def test_what_login_noted_is_trusted(
    command: Command, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = {name: KNOWN[name] for name in ("signer", "signers", "log")}
    trusted_attestors.attestors_path().parent.mkdir(parents=True)
    trusted_attestors.attestors_path().write_text(
        json.dumps({"https://registry.hokus.ai:443": noted})
    )
    done = command("verify", file)
    assert done.code == 0
    assert "stored for https://registry.hokus.ai:443" in done.out
    # Of several gateways none is guessed; a named one is taken.
    other = {**noted, "signer": "0x" + "11" * 20, "signers": []}
    trusted_attestors.attestors_path().write_text(
        json.dumps({"https://registry.hokus.ai:443": noted, "https://other.example:443": other})
    )
    assert command("verify", file).code == 1
    assert command("verify", file, "--url", "https://registry.hokus.ai").code == 0
    assert command("verify", file, "--url", "https://other.example").code == 1
    # What is named on the command line is all that counts.
    assert command("verify", file, "--attestor", "0x" + "11" * 20).code == 1


def test_what_a_document_says_does_not_steer_the_terminal(command: Command, tmp_path: Path) -> None:
    note = IMPROVEMENT["log"]["checkpoint"].replace("\n", "\x1b[2J\n", 1)
    document = changed(IMPROVEMENT, ("log", "checkpoint"), note)
    done = command("verify", written(tmp_path, "a.json", document))
    assert "\x1b" not in done.out
    assert "\ufffd[2J" in done.out
