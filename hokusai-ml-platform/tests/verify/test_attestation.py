"""What verification says of attestations that hold, and of those that were tampered with."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hokusai.errors import HokusaiError, InputError
from hokusai.results import Attestation
from hokusai.verify import DocumentError, LogExport, Report, Result, verify, verify_file
from vector_file import IMPROVEMENT, KNOWN, LOG_KEY, SIGNER, VECTORS, changed, leaves

EXPORT = LogExport.read(VECTORS["log_pages"])
OTHER = "0x" + "11" * 20


def python(program: str) -> str:
    return subprocess.check_output([sys.executable, "-c", program], text=True)


def failing(report: Report) -> set[str]:
    return {check.name for check in report.checks if check.result is Result.FAILS}


@pytest.mark.parametrize("name", VECTORS["attestations"])
def test_what_was_issued_holds(name: str) -> None:
    document = VECTORS["attestations"][name]
    report = verify(document, known=KNOWN, log=EXPORT)
    assert report.complete, report.checks
    assert report.ok
    assert (report.hash, report.signer) == (document["hash"], SIGNER)
    assert report.kind == document["kind"]
    assert report.data == document["data"]


def test_what_the_sdk_was_answered_is_taken_as_it_is() -> None:
    assert verify(Attestation(IMPROVEMENT), attestors=SIGNER).ok


def test_the_signer_alone_is_enough_to_believe_it() -> None:
    report = verify(IMPROVEMENT, attestors=SIGNER.lower())
    assert report.ok
    assert not report.complete
    assert report["checkpoint"].result is Result.UNCHECKED
    assert report["inclusion"].result is Result.UNCHECKED
    assert "you do not trust the checkpoint" in report["inclusion"].detail
    assert report["revocation"].result is Result.UNCHECKED


def test_nobody_is_trusted_unless_told() -> None:
    report = verify(IMPROVEMENT)
    assert not report.ok
    assert failing(report) == set()
    assert report["signer"].detail == f"signed by {SIGNER}, but you have named no attestor to trust"
    assert verify(IMPROVEMENT, attestors=[OTHER])["signer"].result is Result.FAILS


@pytest.mark.parametrize(
    "case", VECTORS["tampered"], ids=lambda case: f"{case['path']}={str(case['value'])[:12]}"
)
def test_the_shared_tampering_is_found(case: dict[str, Any]) -> None:
    document = changed(IMPROVEMENT, tuple(case["path"].split(".")), case["value"])
    report = verify(document, known=KNOWN, log=EXPORT)
    assert not report.ok
    assert case["fails"] in failing(report), report.checks


def other(value: Any) -> list[Any]:
    """Values of other meaning, near and far."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, (int, float)):
        return [value + 1, str(value), None]
    if isinstance(value, str):
        swapped = "1" if value[-1:] == "0" else "0"
        return [value[:-1] + swapped, value + "0", "", None, 7]
    return [7, "x", ["x"]]


@pytest.mark.parametrize(
    ("path", "value"), list(leaves(IMPROVEMENT)), ids=lambda part: ".".join(map(str, part))[:60]
    if isinstance(part, tuple) else ""
)  # fmt: skip
def test_no_single_field_can_be_changed(path: tuple[Any, ...], value: Any) -> None:
    for new in other(value):
        report = verify(changed(IMPROVEMENT, path, new), known=KNOWN, log=EXPORT)
        missing = path == ("eas",) and new is None
        assert failing(report) or missing, (path, new)


@pytest.mark.parametrize("name", ["hash", "bytes", "signature"])
def test_what_carries_it_cannot_be_left_out(name: str) -> None:
    document = {key: value for key, value in IMPROVEMENT.items() if key != name}
    report = verify(document, known=KNOWN, log=EXPORT)
    assert not report.ok
    assert any("is missing" in check.detail for check in report.checks)


@pytest.mark.parametrize(("name", "check"), [("eas", "eas"), ("log", "inclusion")])
def test_what_was_left_out_is_said(name: str, check: str) -> None:
    document = {key: value for key, value in IMPROVEMENT.items() if key != name}
    report = verify(document, known=KNOWN, log=EXPORT)
    assert report.ok
    assert not report.complete
    assert report[check].result is Result.UNCHECKED


def test_javascript_may_write_numbers_in_its_own_way() -> None:
    document = VECTORS["attestations"]["claimed"]
    assert document["data"]["metrics"]["accuracy"] == 1.0
    written = json.dumps(document).replace('"accuracy": 1.0', '"accuracy": 1')
    assert verify(written, known=KNOWN).ok
    # Inside of the text that was hashed it may not.
    document = changed(document, ("bytes",), document["bytes"].replace("1.0", "1"))
    assert "hash" in failing(verify(document, known=KNOWN))


def test_true_is_not_one() -> None:
    document = VECTORS["attestations"]["claimed"]
    document = changed(document, ("data", "metrics", "accuracy"), True)
    assert failing(verify(document, known=KNOWN)) == {"hash"}


def test_the_high_twin_of_a_signature_is_refused() -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(IMPROVEMENT["signature"]["signature"][2:])
    twin = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    text = f"0x{twin.hex()}{27 + 28 - raw[64]:02x}"
    report = verify(changed(IMPROVEMENT, ("signature", "signature"), text), known=KNOWN)
    assert "EIP-2" in report["signature"].detail
    assert report.signer is None


def test_what_no_gateway_has_seen_is_unsigned() -> None:
    text = json.dumps({"kind": "unsigned", "metrics": {"accuracy": 1.0}}, sort_keys=True)
    document = {
        "hash": hashlib.sha256(text.encode()).hexdigest(),
        "bytes": text,
        "kind": "unsigned",
        "signature": None,
        "eas": None,
        "log": None,
    }
    report = verify(document, known=KNOWN)
    assert failing(report) == {"signature"}
    assert report["signature"].detail == "it is unsigned: no gateway has seen it"
    assert not report.ok


def test_a_log_of_somebody_else_is_not_believed() -> None:
    """A checkpoint that only looks like the log's: no key of it has signed."""
    note = IMPROVEMENT["log"]["checkpoint"]
    body, _, signature = note.partition("\n\n")
    forged = f"{body}\n\n{signature.split(' ')[0]} evil.example {signature.split(' ')[2]}"
    report = verify(changed(IMPROVEMENT, ("log", "checkpoint"), forged), known=KNOWN)
    assert "checkpoint" in failing(report)
    assert report["inclusion"].result is Result.UNCHECKED


def test_a_checkpoint_that_one_holds_is_compared() -> None:
    early = VECTORS["early_checkpoint"]
    report = verify(IMPROVEMENT, known=KNOWN, checkpoint=early)
    assert report["consistency"].result is Result.UNCHECKED
    assert "first=1&second=5" in report["consistency"].detail
    proved = verify(IMPROVEMENT, known=KNOWN, checkpoint=early, consistency=VECTORS["consistency"])
    assert proved["consistency"].result is Result.HOLDS
    # The entries themselves prove it as well.
    assert verify(IMPROVEMENT, known=KNOWN, checkpoint=early, log=EXPORT).complete


def test_a_checkpoint_that_one_holds_serves_without_the_key() -> None:
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint=VECTORS["checkpoint"])
    assert report.ok
    assert report["checkpoint"].result is Result.UNCHECKED
    assert report["inclusion"].result is Result.HOLDS


def test_a_broken_consistency_proof_fails() -> None:
    broken = changed(VECTORS["consistency"], ("proof", 0), "00" * 32)
    report = verify(
        IMPROVEMENT, known=KNOWN, checkpoint=VECTORS["early_checkpoint"], consistency=broken
    )
    assert failing(report) == {"consistency"}
    assert not report.ok


def test_two_trees_of_one_size_are_called_out() -> None:
    note = VECTORS["checkpoint"]
    lines = note.split("\n")
    lines[2] = "A" * 43 + "="
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint="\n".join(lines))
    assert "two different trees" in report["consistency"].detail
    assert not report.ok


def test_a_revocation_in_the_log_is_found() -> None:
    document = VECTORS["revoked_later"]
    assert verify(document, known=KNOWN).ok
    report = verify(document, known=KNOWN, log=EXPORT)
    assert failing(report) == {"revocation"}
    assert report["revocation"].detail == "entry 2 of the log revokes it: It leaked."
    assert EXPORT.revocation(IMPROVEMENT["hash"]) is None


def test_a_revocation_counts_also_before_it_is_under_a_checkpoint() -> None:
    entry = json.dumps({"attestation": IMPROVEMENT["hash"], "kind": "revoked", "reason": "no"})
    pages = copy.deepcopy(VECTORS["log_pages"])
    pages.append({"entries": [{"index": 5, "entry": entry}]})
    report = verify(IMPROVEMENT, known=KNOWN, log=LogExport.read(pages))
    assert failing(report) == {"revocation"}
    assert report["revocation"].detail == "entry 5 of the log revokes it: no"
    assert not report.ok
    told = changed(IMPROVEMENT, ("revoked",), {"index": 7, "reason": "x"})
    assert failing(verify(told, known=KNOWN)) == {"revocation"}


def test_an_export_that_was_cut_off_proves_nothing() -> None:
    short = LogExport.read(VECTORS["log_pages"][:1])
    report = verify(IMPROVEMENT, known=KNOWN, log=short)
    assert report["export"].result is Result.UNCHECKED
    assert report["revocation"].result is Result.UNCHECKED


def test_an_export_of_another_log_fails() -> None:
    pages = changed(VECTORS["log_pages"], (1, "entries", 0, "entry"), "{}")
    report = verify(IMPROVEMENT, known=KNOWN, log=LogExport.read(pages))
    assert "export" in failing(report)
    assert report["revocation"].result is Result.UNCHECKED


def test_an_export_is_read_from_lines_and_from_one_document() -> None:
    pages = VECTORS["log_pages"]
    lines = "\n".join(json.dumps(page) for page in pages)
    assert LogExport.read(lines) == LogExport.read(json.dumps(pages, indent=1)) == EXPORT
    with pytest.raises(DocumentError, match="entry 0 is missing"):
        LogExport.read(pages[1])


@pytest.mark.parametrize(
    "given", ["", "[]", "1", "{", '{"a": 1, "a": 2}', "NaN", b"\xff", "1" * 5000, '"\\ud800"']
)
def test_what_is_no_document_is_refused(given: Any) -> None:
    with pytest.raises(DocumentError):
        verify(given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attestors": "0x12"},
        {"attestors": ["x"]},
        {"log_keys": "log"},
        {"log_keys": LOG_KEY.replace("+", "x+", 1)},
        {"known": {}},
        {"known": {**KNOWN, "signers": [7]}},
    ],
)
def test_whom_nobody_can_trust_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        verify(IMPROVEMENT, **wrong)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "attestation.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(IMPROVEMENT, indent=4).encode())
    assert verify_file(path, known=KNOWN).ok
    with pytest.raises(HokusaiError, match="cannot be read: No such file"):
        verify_file(tmp_path / "missing.json")
    with pytest.raises(HokusaiError, match="cannot be read"):
        verify_file("with\0zero")
    with pytest.raises(HokusaiError, match="cannot be read"):
        verify_file(tmp_path)
    path.write_bytes(b" " * (8 * 1024 * 1024 + 1))
    with pytest.raises(DocumentError, match="larger than"):
        verify_file(path)


def test_it_loads_nothing_that_it_does_not_need() -> None:
    program = "import sys, hokusai.verify; print(sys.getrecursionlimit(), *sys.modules)"
    limit, *loaded = python(program).split()
    assert limit == "1000"
    assert {"mlflow", "eth_account", "requests", "numpy"}.isdisjoint(loaded)


def test_brackets_do_not_end_a_process_that_has_loaded_eth_account() -> None:
    program = """
import sys
import eth_account
sys.setrecursionlimit(100_000)  # as its newer versions do themselves
from hokusai.verify import DocumentError, verify
for text in ("[" * 1_000_000, '{"a":' * 200_000, '{"bytes": "%s"}' % ("[" * 1_000_000)):
    try:
        verify(text)
    except DocumentError:
        print("refused")
"""
    printed = python(program)
    # The last is a document whose text alone is deep: it has its own verdict.
    assert printed.split() == ["refused", "refused"]
