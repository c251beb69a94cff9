"""The attestation as an off-chain attestation of the Ethereum Attestation Service, version 2.

EAS's own SDK and explorers verify it without our software.
"""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from eth_hash.auto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData, Types

if TYPE_CHECKING:
    # Verifying needs no settings.
    from app.control_plane.attestations.signing_key import Attestor

NAME = "EAS Attestation"
SCHEMA = "bytes32 attestationHash,string kind"
ZERO_ADDRESS = "0x" + "00" * 20
ZERO_BYTES32 = "0x" + "00" * 32
VERSION = 2
TYPES: Types = {
    "Attest": [
        {"name": "version", "type": "uint16"},
        {"name": "schema", "type": "bytes32"},
        {"name": "recipient", "type": "address"},
        {"name": "time", "type": "uint64"},
        {"name": "expirationTime", "type": "uint64"},
        {"name": "revocable", "type": "bool"},
        {"name": "refUID", "type": "bytes32"},
        {"name": "data", "type": "bytes"},
        {"name": "salt", "type": "bytes32"},
    ]
}


def schema_uid() -> str:
    """The schema's id in EAS's registry: without a resolver, revocable."""
    return _hex(keccak(SCHEMA.encode() + bytes(20) + b"\x01"))


def schema_data(digest: str, kind: str) -> str:
    """The schema's two fields, ABI-encoded: the hash, where the text is, its length, the text."""
    text = kind.encode()
    padded = text.ljust(-(-len(text) // 32) * 32, b"\0")
    offset, length = (64).to_bytes(32, "big"), len(text).to_bytes(32, "big")
    return _hex(bytes.fromhex(digest) + offset + length + padded)


def uid(message: dict[str, Any]) -> str:
    """The id of an off-chain attestation, as EAS's SDK derives it from its message.

    The schema goes in as the text of its hexadecimal form, which is how the SDK does it.
    """
    packed = (
        message["version"].to_bytes(2, "big")
        + message["schema"].encode()
        + _bytes(message["recipient"])
        + bytes(20)
        + message["time"].to_bytes(8, "big")
        + message["expirationTime"].to_bytes(8, "big")
        + bytes([message["revocable"]])
        + _bytes(message["refUID"])
        + _bytes(message["data"])
        + _bytes(message["salt"])
        + bytes(4)
    )
    return _hex(keccak(packed))


def envelope(
    attestor: "Attestor", digest: str, kind: str, issued_at: datetime, recipient: str | None
) -> dict[str, Any]:
    """The signed envelope, `{"sig": …, "signer": …}`; `recipient` is an address, or nobody."""
    data = TypedData(
        domain=eip712.domain(
            NAME,
            attestor.chain.eas_version,
            attestor.chain.id,
            attestor.chain.eas_contract,
        ),
        types=TYPES,
        primary_type="Attest",
        message={
            "version": VERSION,
            "schema": schema_uid(),
            "recipient": recipient or ZERO_ADDRESS,
            "time": int(issued_at.timestamp()),
            "expirationTime": 0,
            "revocable": True,
            "refUID": ZERO_BYTES32,
            "data": schema_data(digest, kind),
            "salt": _hex(secrets.token_bytes(32)),
        },
    )
    signature = _bytes(attestor.sign(data))
    return {
        "sig": {
            "version": VERSION,
            "uid": uid(data.message),
            **data.document(),
            "signature": {
                "r": _hex(signature[:32]),
                "s": _hex(signature[32:64]),
                "v": signature[64],
            },
        },
        "signer": attestor.address,
    }


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
