"""Hashing typed data, compared with eth_account."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from hokusai.verify.eip712 import ATTEST, ATTESTATION, Fields, typed_data_digest, types_member
from hokusai.verify.ethereum import keccak
from vector_file import IMPROVEMENT, changed

SIGNED = IMPROVEMENT["signature"]
EAS = IMPROVEMENT["eas"]["sig"]


@pytest.mark.parametrize(
    ("signed", "name", "fields"), [(SIGNED, "Attestation", ATTESTATION), (EAS, "Attest", ATTEST)]
)
def test_the_digest_is_that_of_eth_account(signed: Any, name: str, fields: Fields) -> None:
    encoded = encode_typed_data(signed["domain"], signed["types"], signed["message"])
    digest = typed_data_digest(signed["domain"], name, fields, signed["message"])

    assert digest == keccak(b"\x19" + encoded.version + encoded.header + encoded.body)
    assert types_member(name, fields) == signed["types"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuedAt", -1),
        ("issuedAt", 2**64),
        ("issuedAt", True),
        ("issuedAt", 1.0),
        ("issuedAt", "1"),
        ("attestationHash", "0x" + "00" * 31),
        ("attestationHash", 7),
        ("kind", None),
    ],
)
def test_a_value_that_is_not_of_its_type_is_rejected(name: str, value: Any) -> None:
    message = changed(SIGNED["message"], (name,), value)
    with pytest.raises(ValueError, match=rf"Attestation\.{name} is not a valid"):
        typed_data_digest(SIGNED["domain"], "Attestation", ATTESTATION, message)


@pytest.mark.parametrize(("name", "value"), [("revocable", 1), ("recipient", "0x" + "00" * 21)])
def test_booleans_and_addresses_are_checked_too(name: str, value: Any) -> None:
    message = changed(EAS["message"], (name,), value)
    with pytest.raises(ValueError, match=rf"Attest\.{name} is not a valid"):
        typed_data_digest(EAS["domain"], "Attest", ATTEST, message)


def test_bytes_must_be_hexadecimal() -> None:
    message = changed(EAS["message"], ("data",), "text")
    with pytest.raises(ValueError, match="hexadecimal"):
        typed_data_digest(EAS["domain"], "Attest", ATTEST, message)


def test_members_may_neither_be_missing_nor_added() -> None:
    for message in ({}, {**SIGNED["message"], "more": 1}):
        with pytest.raises(ValueError, match="other members than its type"):
            typed_data_digest(SIGNED["domain"], "Attestation", ATTESTATION, message)
