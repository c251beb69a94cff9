"""EIP-712 typed data: its hash and signer, compared with eth_account; values of a wrong type."""

from datetime import UTC, datetime
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.attestations.eip712 import (
    ATTESTATION_TYPE,
    ATTESTATION_TYPES,
    TypedData,
    Types,
    attestation,
    domain,
)

ACCOUNT = Account.from_key("1f" * 32)

TYPES = Types(
    {
        "Letter": [
            {"name": "subject", "type": "string"},
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person[]"},
            {"name": "urgent", "type": "bool"},
            {"name": "stamp", "type": "bytes32"},
            {"name": "body", "type": "bytes"},
            {"name": "at", "type": "uint64"},
        ],
        "Person": [
            {"name": "wallet", "type": "address"},
            {"name": "weight", "type": "uint256"},
        ],
    }
)
PEOPLE = st.fixed_dictionaries(
    {
        "wallet": st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}"),
        "weight": st.integers(min_value=0, max_value=2**256 - 1),
    }
)
LETTERS = st.fixed_dictionaries(
    {
        "subject": st.text(),
        "from": PEOPLE,
        "to": st.lists(PEOPLE, max_size=3),
        "urgent": st.booleans(),
        "stamp": st.binary(min_size=32, max_size=32).map(lambda raw: f"0x{raw.hex()}"),
        "body": st.binary(max_size=70).map(lambda raw: f"0x{raw.hex()}"),
        "at": st.integers(min_value=0, max_value=2**64 - 1),
    }
)


@given(LETTERS)
def test_typed_data_is_hashed_as_eth_account_hashes_it(message: dict[str, Any]) -> None:
    data = TypedData(domain("Post", "1", 31337, "0x" + "00" * 20), TYPES, "Letter", message)
    theirs = encode_typed_data(domain_data=data.domain, message_types=TYPES, message_data=message)
    assert data.digest() == keccak(b"\x19" + theirs.version + theirs.header + theirs.body)
    signature = ACCOUNT.sign_message(theirs).signature.hex()
    assert data.signer(signature) == ACCOUNT.address


@pytest.mark.parametrize(
    "change",
    [
        {"at": -1},
        {"at": 2**64},
        {"at": True},
        {"at": 1.0},
        {"at": "1"},
        {"urgent": 1},
        {"stamp": "0x12"},
        {"body": "12"},
        {"body": "0x1"},
        {"subject": None},
        {"to": {}},
        {"from": {"wallet": "0x" + "00" * 20}},
        {"from": {"wallet": "0x" + "00" * 21, "weight": 1}},
        {"more": 1},
    ],
)
def test_a_value_of_another_type_is_not_signed(change: dict[str, Any]) -> None:
    person = {"wallet": "0x" + "00" * 20, "weight": 1}
    letter = {
        "subject": "",
        "from": person,
        "to": [person],
        "urgent": True,
        "stamp": "0x" + "00" * 32,
        "body": "0x",
        "at": 1,
    }
    place = domain("Post", "1", 1, "0x" + "00" * 20)
    assert TypedData(place, TYPES, "Letter", letter).digest()
    with pytest.raises(ValueError, match=r"value|members"):
        TypedData(place, TYPES, "Letter", letter | change).digest()


def test_a_domain_is_not_taken_for_another_that_python_finds_equal() -> None:
    message = {"attestationHash": "0x" + "ab" * 32, "kind": "claimed", "issuedAt": 1, "nonce": 1}
    of_one = domain("n", "1", 1, "0x" + "11" * 20)
    TypedData(of_one, ATTESTATION_TYPES, ATTESTATION_TYPE, message).digest()
    for other in (True, 1.0, [1]):
        data = TypedData(of_one | {"chainId": other}, ATTESTATION_TYPES, ATTESTATION_TYPE, message)
        with pytest.raises(ValueError, match="not a valid uint256"):
            data.digest()


def test_the_message_of_an_attestation() -> None:
    place = domain("HokusaiAttestation", "1", 1, "0x" + "00" * 20)
    issued_at = datetime(2026, 1, 31, 23, 59, 59, 900_000, tzinfo=UTC)
    data = attestation(place, "9f" * 32, "witnessed", issued_at, nonce=7)
    assert data.as_dict() == {
        "domain": place,
        "types": ATTESTATION_TYPES,
        "primaryType": ATTESTATION_TYPE,
        "message": {
            "attestationHash": "0x" + "9f" * 32,
            "kind": "witnessed",
            "issuedAt": int(issued_at.timestamp()),
            "nonce": 7,
        },
    }
    assert len(data.digest()) == 32
