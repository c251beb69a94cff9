"""The envelope of the Ethereum Attestation Service; EAS's own SDK verifies it in test_interop."""

from datetime import UTC, datetime
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from pydantic import SecretStr

from app.control_plane.attestations import eas
from app.control_plane.attestations.eip712 import TypedData
from app.control_plane.attestations.signing_key import Attestor
from app.core.settings import Settings

ATTESTOR = Attestor.from_settings(Settings(attestor_key=SecretStr("a7" * 32)))
DIGEST = "9f" * 32
ISSUED_AT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["witnessed", "claimed", "", "x" * 32, "x" * 33])
def test_the_data_is_abi_encoded(kind: str) -> None:
    encoded = encode(["bytes32", "string"], [bytes.fromhex(DIGEST), kind])
    assert eas.schema_data(DIGEST, kind) == f"0x{encoded.hex()}"


def test_the_schema_has_no_resolver_and_is_revocable() -> None:
    packed = eas.SCHEMA.encode() + bytes(20) + b"\x01"
    assert eas.schema_uid() == f"0x{keccak(packed).hex()}"


def envelope(recipient: str | None = None) -> dict[str, Any]:
    return eas.envelope(ATTESTOR, DIGEST, "witnessed", ISSUED_AT, recipient)


def test_an_envelope_is_signed_by_the_attestor() -> None:
    signed = envelope()
    sig = signed["sig"]
    data = TypedData(sig["domain"], sig["types"], sig["primaryType"], sig["message"])
    parts = sig["signature"]
    signature = f"{parts['r']}{parts['s'][2:]}{parts['v']:02x}"
    assert data.signer(signature) == signed["signer"] == ATTESTOR.address
    assert sig["uid"] == eas.uid(sig["message"])


def test_the_recipient_is_a_contributor_or_nobody() -> None:
    address = "0x" + "11" * 20
    assert envelope(address)["sig"]["message"]["recipient"] == address
    assert envelope()["sig"]["message"]["recipient"] == eas.ZERO_ADDRESS


def test_two_envelopes_of_one_attestation_differ_by_their_salt() -> None:
    first, second = envelope()["sig"]["message"], envelope()["sig"]["message"]
    assert first.pop("salt") != second.pop("salt")
    assert first == second
    assert first["time"] == int(ISSUED_AT.timestamp())
