"""Checking bundles: the vectors that `packages/verify` shares, and the trusted keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

import make_bundles
from hokusai.errors import DocumentError
from hokusai.verify import Result, verify
from hokusai.verify.trust import Trust
from vector_file import IMPROVEMENT, KNOWN, SIGNER

VECTORS: dict[str, Any] = json.loads(make_bundles.PATH.read_text(encoding="utf-8"))
BUNDLE, KEY = VECTORS["bundle"], VECTORS["key"]


def test_the_vectors_are_what_the_package_says() -> None:
    assert make_bundles.PATH.read_text(encoding="utf-8") == make_bundles.written()


def test_every_result_is_among_the_vectors() -> None:
    """Each reason that the check can give, by the words with which it begins."""
    reasons = {case["expected"][-1] for case in VECTORS["cases"]}
    for words in (
        "a statement about these bytes, signed by the envelope key",
        "no envelope key that you trust",
        "its statement cannot be read",
        "it has no in-toto statement",
        "its statement is of another type",
        "its statement is about something else",
        "its statement is about other files",
        "its statement says something else",
        "its statement is about these bytes, but you have named no envelope key",
        "it is not a Sigstore bundle",
        "its envelope has no in-toto statement",
        "its envelope does not have exactly one signature",
        "a part is not valid base64",
        "the hash does not hold",
        "InputError",
        "DocumentError",
    ):
        assert [reason for reason in reasons if reason.startswith(words)], words


def test_a_bundle_that_fails_makes_the_attestation_fail() -> None:
    assert verify(IMPROVEMENT, attestors=SIGNER, envelope_keys=KEY, bundle=BUNDLE).ok
    bundle = {**BUNDLE, "dsseEnvelope": make_bundles.stated({})}
    report = verify(IMPROVEMENT, attestors=SIGNER, envelope_keys=KEY, bundle=bundle)
    assert report["bundle"].result is Result.FAILS
    assert not report.ok


def test_a_well_known_document_names_the_keys() -> None:
    known = {**KNOWN, "envelopes": {"key": KEY, "keys": [KEY, make_bundles.OTHER_PEM]}}
    assert len(Trust.from_well_known(known).envelope_keys) == 2
    assert verify(IMPROVEMENT, known=known, bundle=BUNDLE)["bundle"].result is Result.HOLDS
    # One of a gateway without envelopes.
    assert verify(IMPROVEMENT, known=KNOWN, bundle=BUNDLE)["bundle"].result is Result.UNCHECKED
    others: list[Any] = [{}, {"key": KEY, "keys": ["x"]}, []]
    for envelopes in others:
        with pytest.raises(DocumentError, match="attestor document"):
            Trust.from_well_known({**KNOWN, "envelopes": envelopes})


@pytest.mark.parametrize("bundle", ["[]", b"{", "", {"a": object()}])
def test_what_is_not_json_of_a_bundle_is_an_error(bundle: Any) -> None:
    with pytest.raises(DocumentError):
        verify(IMPROVEMENT, bundle=bundle)
