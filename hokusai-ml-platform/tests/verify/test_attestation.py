"""`verify` and `verify_file`: their arguments, and documents that cannot be verified at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hokusai.errors import HokusaiError, InputError
from hokusai.results import Attestation
from hokusai.verify import DocumentError, verify, verify_file
from hokusai.verify.attestation import read_file
from vector_file import EXPORT, IMPROVEMENT, KNOWN, LOG_KEY, SIGNER, VECTORS


def run_python(program: str) -> str:
    return subprocess.check_output([sys.executable, "-c", program], text=True)


@pytest.mark.parametrize("name", VECTORS["attestations"])
def test_an_attestation_of_a_gateway_holds(name: str) -> None:
    document = VECTORS["attestations"][name]
    report = verify(document, known=KNOWN, log=EXPORT)
    assert report.complete, report.checks
    assert report.ok
    assert (report.hash, report.signer) == (document["hash"], SIGNER)
    assert report.kind == document["kind"]
    assert report.data == document["data"]


def test_it_accepts_text_bytes_mappings_and_results() -> None:
    text = json.dumps(IMPROVEMENT)
    for attestation in (IMPROVEMENT, Attestation(IMPROVEMENT), text, text.encode()):
        assert verify(attestation, attestors=SIGNER).ok


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{", '{"a": 1, "a": 2}', "NaN", b"\xff", "1" * 5000, '"\\ud800"']
)
def test_a_document_that_is_not_an_object_is_an_error(text: Any) -> None:
    with pytest.raises(DocumentError):
        verify(text)


@pytest.mark.parametrize(
    "arguments",
    [
        {"attestors": "0x12"},
        {"attestors": ["x"]},
        {"log_keys": "log"},
        {"log_keys": LOG_KEY.replace("+", "x+", 1)},
        {"known": {}},
        {"known": {**KNOWN, "signers": [7]}},
        {"checkpoint": 7},
        {"checkpoint": "a note"},
        {"consistency": VECTORS["consistency"]},
        {"consistency": [], "checkpoint": VECTORS["checkpoint"]},
    ],
)
def test_an_argument_that_is_not_valid_is_an_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        verify(IMPROVEMENT, **arguments)


def test_a_file_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "attestation.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(IMPROVEMENT, indent=4).encode())
    assert verify_file(path, known=KNOWN).ok


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HokusaiError, match="cannot be read: No such file"):
        verify_file(tmp_path / "missing.json")
    with pytest.raises(HokusaiError, match="cannot be read: this is not a valid file name"):
        verify_file("with\0zero")
    with pytest.raises(HokusaiError, match="cannot be read"):
        verify_file(tmp_path)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "attestation.json"
    path.write_bytes(b" " * 2048)
    assert len(read_file(path, 2048)) == 2048
    with pytest.raises(DocumentError, match="larger than 1 KiB"):
        read_file(path, 2047)
    path.write_bytes(b" " * (8 * 1024 * 1024 + 1))
    with pytest.raises(DocumentError, match="larger than 8192 KiB"):
        verify_file(path)


def test_verifying_imports_no_http_client_and_keeps_the_recursion_limit() -> None:
    program = "import sys, hokusai.verify; print(sys.getrecursionlimit(), *sys.modules)"
    limit, *loaded = run_python(program).split()
    assert limit == "1000"
    assert {"mlflow", "eth_account", "requests", "numpy"}.isdisjoint(loaded)


def test_deeply_nested_documents_do_not_end_a_process_that_has_loaded_eth_account() -> None:
    program = """
import sys
import eth_account
sys.setrecursionlimit(100_000)  # as newer versions of eth_account do themselves
from hokusai.verify import DocumentError, verify
for text in ("[" * 1_000_000, '{"a":' * 200_000, '{"bytes": "%s"}' % ("[" * 1_000_000)):
    try:
        verify(text)
    except DocumentError:
        print("rejected")
"""
    # Of the last document only the text in `bytes` is deep, so there is a report.
    assert run_python(program).split() == ["rejected", "rejected"]
