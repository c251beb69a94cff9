"""Checking signatures of models: the vectors that `packages/verify` shares, and what they lack."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import make_model_signatures
from hokusai.errors import DocumentError
from hokusai.verify import Result, verify, verify_model_signature
from make_bundles import PEM
from make_model_signatures import FILES, PATH, SIGNATURE, write_files
from vector_file import IMPROVEMENT, KNOWN, SIGNER

VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.platform == "win32", reason="its paths are not those of the vectors")
def test_the_vectors_are_what_the_package_says() -> None:
    assert PATH.read_text(encoding="utf-8") == make_model_signatures.written()


def test_every_result_is_among_the_vectors() -> None:
    """Each reason that the two checks can give, by the words with which it begins."""
    reasons = {
        detail
        for case in VECTORS["cases"]
        for name in ("model_signature", "model")
        for _, detail in (case["expected"].get(name, (None, "")),)
    }
    for words in (
        "the 7 files of acme/churn@2, signed by the envelope key",
        "it lists the 7 files of acme/churn@2, but you have named no envelope key",
        "no envelope key that you trust",
        "its statement is of another type than those about the files of models",
        "its statement does not have exactly one subject",
        "it does not list files by the SHA-256 of each",
        "a file in its list has no SHA-256",
        "its list of files is not that of the digest in its subject",
        "The list has the same path twice",
        "The list has a file below",
        'The path "../x" of the list is not safe',
        "it is about other files than the attestation",
        "it is about the files of the baseline",
        "it is about another model with the same files",
        "the attestation names no files",
        "the hash does not hold, so there is nothing to compare with",
        "all 7 files are those that the signature lists",
        "the files differ from those that the signature lists: a-b is different",
        "the signature does not hold, so the signed files are not known",
        "these are not the files of the attested model: registered_model_meta is not in the list",
    ):
        assert [reason for reason in reasons if reason.startswith(words)], words


def test_a_signature_of_another_model_makes_the_attestation_fail() -> None:
    report = verify(
        IMPROVEMENT, attestors=SIGNER, envelope_keys=PEM, model_signature=json.dumps(SIGNATURE)
    )
    assert report["model_signature"].result is Result.FAILS
    assert not report.ok


def test_a_well_known_document_names_the_keys(tmp_path: Path) -> None:
    model = write_files(tmp_path / "model", FILES)
    known = {**KNOWN, "envelopes": {"key": PEM, "keys": [PEM]}}
    report = verify_model_signature(SIGNATURE, known=known, model=model)
    assert (report.ok, report.complete) == (True, True)
    report = verify_model_signature(SIGNATURE, known=KNOWN, model=model)
    assert (report.ok, report["model_signature"].result) == (False, Result.UNCHECKED)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_directory_with_a_link_is_refused(tmp_path: Path) -> None:
    model = write_files(tmp_path / "model", FILES)
    (model / "link").symlink_to(model / "MLmodel")
    with pytest.raises(DocumentError, match="symbolic link"):
        verify_model_signature(SIGNATURE, envelope_keys=PEM, model=model)
