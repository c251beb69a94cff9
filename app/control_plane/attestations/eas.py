"""The attestation as an off-chain attestation of the Ethereum Attestation Service, version 2.

EAS's own SDK and explorers verify it, without the gateway's software.
"""

import secrets
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from eth_hash.auto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData, Types, fields

if TYPE_CHECKING:
    # At run time it would load the settings, which an offline verifier does without.
    from app.control_plane.attestations.signing_key import Attestor

NAME = "EAS Attestation"
SCHEMA = "bytes32 attestationHash,string kind"
ZERO_ADDRESS = "0x" + "00" * 20
ZERO_BYTES32 = "0x" + "00" * 32
VERSION = 2
PRIMARY_TYPE = "Attest"
TYPES = Types(
    {
        PRIMARY_TYPE: fields(
            "uint16 version, bytes32 schema, address recipient, uint64 time, "
            "uint64 expirationTime, bool revocable, bytes32 refUID, bytes data, bytes32 salt"
        )
    }
)


@cache
def schema_uid() -> str:
    """The id of `SCHEMA` in EAS's schema registry: it has no resolver and is revocable."""
    return _hex(keccak(SCHEMA.encode() + bytes(20) + b"\x01"))


def schema_data(digest: str, kind: str) -> str:
    """The two fields of `SCHEMA`, ABI-encoded: the hash, then offset, length and bytes of the kind.

    digest: the attestation's hash, 64 hexadecimal digits.
    """
    text = kind.encode()
    padded = text.ljust(-(-len(text) // 32) * 32, b"\0")
    offset, length = (64).to_bytes(32, "big"), len(text).to_bytes(32, "big")
    return _hex(bytes.fromhex(digest) + offset + length + padded)


def uid(message: dict[str, Any]) -> str:
    """The id of an off-chain attestation, as EAS's SDK derives it from the message.

    The SDK hashes the schema as hexadecimal text, not as bytes.
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
    """The signed off-chain attestation, `{"sig": …, "signer": …}`.

    digest: the attestation's hash, 64 hexadecimal digits. recipient: an Ethereum address, if any.
    """
    data = TypedData(
        domain=eip712.domain(
            NAME,
            attestor.chain.eas_version,
            attestor.chain.id,
            attestor.chain.eas_contract,
        ),
        types=TYPES,
        primary_type=PRIMARY_TYPE,
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
            **data.as_dict(),
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
