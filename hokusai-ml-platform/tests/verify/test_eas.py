"""Verifying envelopes of the Ethereum Attestation Service."""

from __future__ import annotations

from typing import Any

import pytest

from hokusai.verify.eas import envelope_signer
from hokusai.verify.json_fields import CheckFailed
from vector_file import IMPROVEMENT, SIGNER, changed

ENVELOPE = IMPROVEMENT["eas"]
DIGEST = IMPROVEMENT["hash"]


def test_a_valid_envelope_has_a_signer() -> None:
    assert envelope_signer(ENVELOPE, DIGEST, "witnessed") == SIGNER
    lower = changed(ENVELOPE, ("signer",), SIGNER.lower())
    assert envelope_signer(lower, DIGEST, "witnessed") == SIGNER


def test_it_must_be_about_the_same_hash_and_kind() -> None:
    with pytest.raises(CheckFailed, match="attests something else"):
        envelope_signer(ENVELOPE, "00" * 32, "witnessed")
    with pytest.raises(CheckFailed, match="attests something else"):
        envelope_signer(ENVELOPE, DIGEST, "claimed")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("sig", "primaryType"), "Other", "type is not that of"),
        (("sig", "types"), {}, "type is not that of"),
        (("sig", "version"), 1, "version is not 2"),
        (("sig", "message", "version"), 1, "version is not 2"),
        (("sig", "domain", "name"), "Other", "domain is not that of EAS"),
        (("sig", "message", "schema"), "0x" + "00" * 32, "attests something else"),
        (("sig", "uid"), "0x" + "00" * 32, "uid is not that of its message"),
        (("sig", "signature", "v"), 256, "neither 27 nor 28"),
        (("signer",), "0x" + "11" * 20, f"signed by {SIGNER}, not by"),
        (("sig", "message"), None, "is not an object"),
    ],
)
def test_a_changed_envelope_fails(path: tuple[str, ...], value: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        envelope_signer(changed(ENVELOPE, path, value), DIGEST, "witnessed")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sig", "message", "time"), "now"),
        (("sig", "message", "revocable"), 1),
        (("sig", "signature", "v"), 29),
        (("sig", "signature", "r"), "0x0"),
        (("sig", "message", "more"), 1),
    ],
)
def test_a_value_of_another_type_is_an_error(path: tuple[str, ...], value: Any) -> None:
    envelope = changed(ENVELOPE, path, value)
    with pytest.raises((ValueError, CheckFailed)):
        envelope_signer(envelope, DIGEST, "witnessed")
