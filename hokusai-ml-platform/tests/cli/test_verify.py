"""`hokusai verify`: the verdict, the exit code, and whom it trusts."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from hokusai.cli import trusted_attestors
from make_bundles import PATH as BUNDLES
from make_bundles import PEM
from make_model_signatures import FILES, SIGNATURE, write_files
from vector_file import IMPROVEMENT, KNOWN, LOG_KEY, SIGNER, VECTORS, changed

from .conftest import Command

OTHER = "0x" + "11" * 20


def write(directory: Path, name: str, document: Any) -> str:
    """Write a document, as JSON unless it is text, and return the path of the file."""
    path = directory / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with a valid attestation."""
    return write(tmp_path, "attestation.json", IMPROVEMENT)


def store_attestors(*signers: str) -> None:
    """Store attestors as `hokusai login` does, one per gateway: a.example, b.example, ..."""
    entries = {
        f"https://{name}.example:443": {"signer": signer, "signers": [], "log": KNOWN["log"]}
        for name, signer in zip("ab", signers)
    }
    path = trusted_attestors.attestors_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries))


# --- verdicts ---


def test_a_valid_attestation_of_a_named_attestor_holds(command: Command, file: str) -> None:
    outcome = command("verify", file, "--attestor", SIGNER)
    assert outcome.code == 0
    assert f"The attestation holds: witnessed, signed by {SIGNER}." in outcome.out
    assert "-- " in outcome.out
    strict = command("verify", file, "--attestor", SIGNER, "--strict")
    assert strict.code == 1
    assert re.search(r"not be made \([a-z, ]*revocation\), and --strict requires all", strict.out)


def test_without_a_trusted_attestor_it_does_not_pass(command: Command, file: str) -> None:
    outcome = command("verify", file)
    assert outcome.code == 1
    assert f"signed by {SIGNER}, but you have named no attestor to trust" in outcome.out
    assert "name one with --attestor" in outcome.out


def test_members_that_nobody_signed_are_named(command: Command, tmp_path: Path) -> None:
    document = write(tmp_path, "more.json", {**IMPROVEMENT, "audited_by": "nobody"})
    outcome = command("verify", document, "--attestor", SIGNER)
    assert outcome.code == 0
    assert "Nobody signed these members: audited_by." in outcome.out


def test_with_all_documents_every_check_is_made(
    command: Command, file: str, tmp_path: Path
) -> None:
    known = write(tmp_path, "known.json", KNOWN)
    pages = "\n".join(json.dumps(page) for page in VECTORS["log_pages"])
    export = write(tmp_path, "log.jsonl", pages)
    early = write(tmp_path, "checkpoint.txt", VECTORS["early_checkpoint"])
    proof = write(tmp_path, "proof.json", VECTORS["consistency"])
    documents = ["--known", known, "--log", export, "--checkpoint", early, "--consistency", proof]
    outcome = command("verify", file, *documents, "--strict", "--json")
    assert outcome.code == 0
    report = json.loads(outcome.out)
    assert report["complete"]
    assert report["trusted_from"] == "arguments"
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
    revoked = write(tmp_path, "revoked.json", VECTORS["revoked_later"])
    outcome = command("verify", revoked, *documents)
    assert outcome.code == 1
    assert "revokes it: It leaked." in outcome.out


def test_a_bundle_is_checked_with_a_named_key_or_those_of_the_gateway(
    command: Command, file: str, tmp_path: Path
) -> None:
    vectors = json.loads(BUNDLES.read_text())
    bundle = ["--attestor", SIGNER, "--bundle", write(tmp_path, "b.json", vectors["bundle"])]
    key = write(tmp_path, "hokusai.pub", vectors["key"])
    assert "ok  bundle" in command("verify", file, *bundle, "--envelope-key", key).out
    assert "--  bundle" in command("verify", file, *bundle).out
    known = {**KNOWN, "envelopes": {"key": vectors["key"], "keys": []}}
    outcome = command("verify", file, *bundle, "--known", write(tmp_path, "known.json", known))
    assert "ok  bundle" in outcome.out
    for arguments in (["--envelope-key", file], ["--bundle", key]):
        assert command("verify", file, *arguments).code == 2
    outcome = command("verify", bundle[-1], "--attestor", SIGNER)
    assert outcome.code == 2
    assert "This is a bundle, and not an attestation." in outcome.err


def test_attestor_and_log_key_can_be_named_separately(command: Command, file: str) -> None:
    outcome = command("verify", file, "--attestor", SIGNER, "--log-key", LOG_KEY, "--json")
    checks = {check["name"]: check["result"] for check in json.loads(outcome.out)["checks"]}
    assert checks["inclusion"] == "holds"
    assert checks["revocation"] == "unchecked"


def test_the_attestation_is_read_from_standard_input(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipe(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    pipe(json.dumps(IMPROVEMENT).encode())
    assert command("verify", "-", "--attestor", SIGNER).code == 0
    pipe(b" " * (8 * 1024 * 1024 + 1))
    outcome = command("verify", "-", "--attestor", SIGNER)
    assert outcome.code == 2
    assert "Standard input is larger than 8192 KiB" in outcome.err


@pytest.mark.parametrize("case", VECTORS["tampered"][:6])
def test_a_tampered_attestation_does_not_hold(
    command: Command, tmp_path: Path, case: dict[str, Any]
) -> None:
    document = changed(IMPROVEMENT, tuple(case["path"].split(".")), case["value"])
    outcome = command("verify", write(tmp_path, "a.json", document), "--attestor", SIGNER)
    assert outcome.code == 1
    assert "The attestation does not hold." in outcome.out


# --- documents and arguments that are not valid ---


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "[" * 100_000, '{"a": 1, "a": 2}', "NaN"])
def test_a_file_that_is_not_an_attestation_is_code_2(
    command: Command, tmp_path: Path, text: str
) -> None:
    outcome = command("verify", write(tmp_path, "a.json", text), "--attestor", SIGNER)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1


def test_a_checkpoint_that_is_not_valid_is_code_2(
    command: Command, file: str, tmp_path: Path
) -> None:
    outcome = command("verify", file, "--checkpoint", write(tmp_path, "saved", "a,b\n1,2\n"))
    assert (outcome.code, outcome.out) == (2, "")
    assert "is not a valid checkpoint" in outcome.err
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    outcome = command("verify", file, "--checkpoint", str(binary))
    assert outcome.code == 2
    assert "is not text in UTF-8" in outcome.err


def test_other_arguments_that_are_not_valid_are_code_2(
    command: Command, file: str, tmp_path: Path
) -> None:
    for arguments in (["--attestor", "0x12"], ["--log-key", "x"]):
        assert command("verify", file, *arguments).code == 2
    for option in ("--known", "--consistency", "--log"):
        assert command("verify", file, option, write(tmp_path, "x", "[1]")).code == 2
    proof = write(tmp_path, "proof.json", VECTORS["consistency"])
    assert command("verify", file, "--consistency", proof).code == 2
    assert command("verify", file, "--url", "not a URL").code == 2


def test_control_characters_of_the_document_do_not_reach_the_terminal(
    command: Command, tmp_path: Path
) -> None:
    note = IMPROVEMENT["log"]["checkpoint"].replace("\n", "\x1b[2J\n", 1)
    document = changed(IMPROVEMENT, ("log", "checkpoint"), note)
    outcome = command("verify", write(tmp_path, "a.json", document))
    assert "\x1b" not in outcome.out
    assert "\ufffd[2J" in outcome.out


# --- attestors stored by `hokusai login` ---


def test_the_attestors_of_the_only_gateway_are_trusted(command: Command, file: str) -> None:
    store_attestors(SIGNER)
    outcome = command("verify", file)
    assert outcome.code == 0
    assert "Trusted: the attestors that `hokusai login` stored for https://a.example:443." in (
        outcome.out
    )
    report = json.loads(command("verify", file, "--json").out)
    assert report["trusted_from"].endswith("https://a.example:443")


def test_of_several_gateways_one_has_to_be_named(
    command: Command, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_attestors(SIGNER, OTHER)
    assert command("verify", file).code == 1
    assert command("verify", file, "--url", "https://a.example").code == 0
    assert command("verify", file, "--url", "https://b.example").code == 1
    monkeypatch.setenv("HOKUSAI_URL", "https://a.example")
    assert command("verify", file).code == 0


def test_named_attestors_replace_the_stored_ones(command: Command, file: str) -> None:
    store_attestors(SIGNER)
    assert command("verify", file, "--attestor", OTHER).code == 1


# --- the signature of a model ---


def test_a_signature_of_a_model_is_checked_alone_and_with_an_attestation(
    command: Command, file: str, tmp_path: Path
) -> None:
    signature = write(tmp_path, "model.sig", SIGNATURE)
    key = write(tmp_path, "hokusai.pub", PEM)
    write_files(tmp_path / "churn", FILES)
    alone = ("verify", "--model-signature", signature, "--model", str(tmp_path / "churn"))
    outcome = command(*alone, "--envelope-key", key, "--strict")
    assert outcome.code == 0
    assert "ok  model signature the 7 files of acme/churn@2" in outcome.out
    assert "The signature of the model holds." in outcome.out
    assert json.loads(command(*alone, "--envelope-key", key, "--json").out)["ok"]
    outcome = command(*alone)
    assert outcome.code == 1
    assert "no key is trusted: name one with --envelope-key" in outcome.out
    (tmp_path / "churn" / "a-b").write_text("another")
    outcome = command(*alone, "--envelope-key", key)
    assert outcome.code == 1
    assert "a-b is different" in outcome.out
    assert "The signature of the model does not hold." in outcome.out
    together = ("verify", file, "--attestor", SIGNER, *alone[1:3], "--envelope-key", key)
    outcome = command(*together)
    assert outcome.code == 1
    assert "NO  model signature" in outcome.out
    assert "The attestation does not hold." in outcome.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a file with an attestation, or a --model-signature"),
        (["--model-signature", "model.sig", "--log", "model.sig"], "--log is about an attestation"),
        (["model.sig"], "This is a bundle, and not an attestation."),
        (["--model-signature", "hokusai.pub"], "not valid JSON"),
    ],
)
def test_what_is_missing_for_a_signature_is_named(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "model.sig", SIGNATURE)
    write(tmp_path, "hokusai.pub", PEM)
    outcome = command("verify", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
