"""The checks of hash, signature, signer and EAS envelope, and attestations that were changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from eth_account import Account

from hokusai.verify import Result, eas, verify
from vector_file import (
    EXPORT,
    IMPROVEMENT,
    KNOWN,
    SIGNER,
    VECTORS,
    changed,
    failing,
    leaves,
    without,
)

OTHER = "0x" + "11" * 20
TEST_KEY = "0x" + "22" * 32
TEST_ADDRESS: str = Account.from_key(TEST_KEY).address


# --- tampering ---


@pytest.mark.parametrize(
    "case", VECTORS["tampered"], ids=lambda case: f"{case['path']}={str(case['value'])[:12]}"
)
def test_the_tampering_in_the_shared_vectors_is_found(case: dict[str, Any]) -> None:
    document = changed(IMPROVEMENT, tuple(case["path"].split(".")), case["value"])
    report = verify(document, known=KNOWN, log=EXPORT)
    assert not report.ok
    assert case["fails"] in failing(report), report.checks


def other_values(value: Any) -> list[Any]:
    """Values with another meaning, of the same type and of other types."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, (int, float)):
        return [value + 1, str(value), None]
    if isinstance(value, str):
        last = "1" if value[-1:] == "0" else "0"
        return [value[:-1] + last, value + "0", "", None, 7]
    return [7, "x", ["x"]]


@pytest.mark.parametrize(
    ("path", "value"), list(leaves(IMPROVEMENT)), ids=lambda part: ".".join(map(str, part))[:60]
    if isinstance(part, tuple) else ""
)  # fmt: skip
def test_no_single_field_can_be_changed(path: tuple[Any, ...], value: Any) -> None:
    for other in other_values(value):
        report = verify(changed(IMPROVEMENT, path, other), known=KNOWN, log=EXPORT)
        is_left_out = path == ("eas",) and other is None
        assert failing(report) or is_left_out, (path, other)


@pytest.mark.parametrize("name", ["hash", "bytes", "signature"])
def test_an_essential_member_cannot_be_left_out(name: str) -> None:
    report = verify(without(IMPROVEMENT, name), known=KNOWN, log=EXPORT)
    assert not report.ok
    assert any("is missing" in check.detail for check in report.checks)


@pytest.mark.parametrize(("name", "check"), [("eas", "eas"), ("log", "inclusion")])
def test_a_check_of_a_member_that_was_left_out_is_not_made(name: str, check: str) -> None:
    report = verify(without(IMPROVEMENT, name), known=KNOWN, log=EXPORT)
    assert report.ok
    assert not report.complete
    assert report[check].result is Result.UNCHECKED


# --- hash ---


def test_numbers_may_be_written_as_javascript_writes_them() -> None:
    document = VECTORS["attestations"]["claimed"]
    assert document["data"]["metrics"]["accuracy"] == 1.0
    written = json.dumps(document).replace('"accuracy": 1.0', '"accuracy": 1')
    assert verify(written, known=KNOWN).ok
    # But not within the text that was hashed.
    document = changed(document, ("bytes",), document["bytes"].replace("1.0", "1"))
    assert "hash" in failing(verify(document, known=KNOWN))


def test_true_is_not_one() -> None:
    document = VECTORS["attestations"]["claimed"]
    document = changed(document, ("data", "metrics", "accuracy"), True)
    assert failing(verify(document, known=KNOWN)) == {"hash"}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("[]", "not the data of an attestation"),
        ('{"kind": "invented"}', "not the data of an attestation"),
        ('{"metrics": {}, "kind": "claimed"}', "not in the form that is hashed"),
        ("{", "not valid JSON"),
    ],
)
def test_bytes_with_the_right_hash_must_be_an_attestation(text: str, detail: str) -> None:
    digest = hashlib.sha256(text.encode()).hexdigest()
    report = verify({"bytes": text, "hash": digest})
    assert report["hash"].result is Result.FAILS
    assert detail in report["hash"].detail
    assert report.data is None


def test_an_unsigned_attestation_fails_by_its_signature() -> None:
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


# --- signature and signer ---


def test_the_other_form_of_the_same_signature_is_rejected() -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(IMPROVEMENT["signature"]["signature"][2:])
    high_s = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    text = f"0x{high_s.hex()}{27 + 28 - raw[64]:02x}"
    report = verify(changed(IMPROVEMENT, ("signature", "signature"), text), known=KNOWN)
    assert "EIP-2" in report["signature"].detail
    assert report.signer is None


def with_data(**members: Any) -> dict[str, Any]:
    """The attestation with other data, whose hash is right."""
    data = {**IMPROVEMENT["data"], **members}
    text = json.dumps(data, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    document = {**IMPROVEMENT, "bytes": text, "hash": digest, "data": data, "kind": data["kind"]}
    document["evidence"] = data["kind"]
    message = {**IMPROVEMENT["signature"]["message"], "attestationHash": f"0x{digest}"}
    return changed(document, ("signature", "message"), message)  # type: ignore[no-any-return]


def signed_by_test_key(document: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The attestation with a valid signature of a key of the test, and the key's address."""
    signed = document["signature"]
    account = Account.from_key(TEST_KEY)
    signature = account.sign_typed_data(signed["domain"], signed["types"], signed["message"])
    hexadecimal = "0x" + bytes(signature.signature).hex()
    document = changed(document, ("signature", "signature"), hexadecimal)
    return changed(document, ("signature", "signer"), account.address), account.address


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (with_data(), "names another issuer than"),
        (with_data(kind="claimed", issuer=None), "another kind of attestation was signed"),
    ],
)
def test_the_signature_must_agree_with_the_data(document: dict[str, Any], detail: str) -> None:
    document, address = signed_by_test_key(document)
    report = verify(document, attestors=address)
    assert report["hash"].result is Result.HOLDS
    assert report["signature"].result is Result.FAILS
    assert detail in report["signature"].detail


def test_an_attestation_that_is_signed_by_the_test_key_holds() -> None:
    document, address = signed_by_test_key(with_data(issuer=TEST_ADDRESS))
    report = verify(without(document, "eas"), attestors=address)
    assert report["signature"].result is Result.HOLDS
    # The log's entry is about another hash.
    assert failing(report) == {"inclusion"}
    report = verify(without(without(document, "eas"), "log"), attestors=address)
    assert report.ok


def test_the_time_of_creation_may_be_missing() -> None:
    report = verify(without(IMPROVEMENT, "created_at"), known=KNOWN)
    assert report["signature"].result is Result.HOLDS


@pytest.mark.parametrize(
    "created_at",
    [
        *("yesterday", "9999-12-31T23:59:59-23:59", "2026-11-23T10:05:53"),
        *("2026-11-23T10:05:53.5Z", "1000", 7),
    ],
)
def test_the_time_of_creation_must_be_the_time_that_was_signed(created_at: Any) -> None:
    report = verify(changed(IMPROVEMENT, ("created_at",), created_at), known=KNOWN)
    assert report["signature"].result is Result.FAILS
    assert "created_at is not" in report["signature"].detail


def test_the_attestor_alone_is_enough_to_pass() -> None:
    report = verify(IMPROVEMENT, attestors=SIGNER.lower())
    assert report.ok
    assert not report.complete
    assert report["checkpoint"].result is Result.UNCHECKED
    assert report["inclusion"].result is Result.UNCHECKED
    assert "you do not trust the checkpoint" in report["inclusion"].detail
    assert report["revocation"].result is Result.UNCHECKED


def test_nobody_is_trusted_by_default() -> None:
    report = verify(IMPROVEMENT)
    assert not report.ok
    assert failing(report) == set()
    assert report["signer"].detail == f"signed by {SIGNER}, but you have named no attestor to trust"
    assert verify(IMPROVEMENT, attestors=[OTHER])["signer"].result is Result.FAILS


# --- EAS envelope ---


def with_envelope(document: dict[str, Any], private_key: str) -> dict[str, Any]:
    """The attestation with a valid envelope about it, signed by a key."""
    signed = document["eas"]["sig"]
    message = {**signed["message"], "data": eas._data(document["hash"], document["kind"])}
    account = Account.from_key(private_key)
    signature = account.sign_typed_data(signed["domain"], signed["types"], message)
    envelope = {
        **signed,
        "message": message,
        "uid": eas._uid(message),
        "signature": {
            "r": f"0x{signature.r:064x}",
            "s": f"0x{signature.s:064x}",
            "v": signature.v,
        },
    }
    return {**document, "eas": {"sig": envelope, "signer": account.address}}


def test_the_envelope_must_be_signed_by_the_same_key() -> None:
    document, address = signed_by_test_key(with_data(issuer=TEST_ADDRESS))
    same_key = with_envelope(document, TEST_KEY)
    assert verify(same_key, attestors=address)["eas"].result is Result.HOLDS
    report = verify(with_envelope(document, "0x" + "33" * 32), attestors=address)
    assert report["eas"].result is Result.FAILS
    assert "the attestation by another key" in report["eas"].detail
    # The original envelope is about another hash.
    assert "attests something else" in verify(document)["eas"].detail


def test_without_data_the_envelope_cannot_be_compared() -> None:
    report = verify(without(IMPROVEMENT, "bytes"), attestors=SIGNER)
    assert report["eas"].result is Result.UNCHECKED
    assert "nothing to compare with" in report["eas"].detail
