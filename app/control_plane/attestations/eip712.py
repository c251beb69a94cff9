"""EIP-712 typed data: what it hashes to, who signed it, and the type of our own attestations.

eth_account could do it, but it loads py_ecc, which lifts Python's recursion limit to 100,000: from
then on a request of nothing but brackets would end the process.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eth_hash.auto import keccak

from app.core.ethereum import parse_signature, recover

Fields = list[dict[str, str]]
Types = dict[str, Fields]

_DOMAIN = "EIP712Domain"
_DOMAIN_FIELDS: Fields = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_UNSIGNED = re.compile(r"uint([0-9]+)")
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)")

ATTESTATION_NAME = "HokusaiAttestation"
ATTESTATION_VERSION = "1"
ATTESTATION_TYPE = "Attestation"
# No floating-point numbers: the hash stands for all of them.
ATTESTATION_TYPES: Types = {
    ATTESTATION_TYPE: [
        {"name": "attestationHash", "type": "bytes32"},
        {"name": "kind", "type": "string"},
        {"name": "issuedAt", "type": "uint64"},
        {"name": "nonce", "type": "uint256"},
    ]
}


@dataclass(frozen=True, slots=True)
class TypedData:
    """One message of EIP-712, in the parts that every wallet library takes.

    Its types are of those that our messages have: string, bytes, bytes32, address, bool, unsigned
    integers, structures, and arrays of structures.
    """

    domain: dict[str, Any]
    types: Types
    primary_type: str
    message: dict[str, Any]

    def digest(self) -> bytes:
        """The 32 bytes that are signed. Raises ValueError for a value of another type."""
        separator = _struct_hash(_DOMAIN, self.domain, {_DOMAIN: _DOMAIN_FIELDS})
        message = _struct_hash(self.primary_type, self.message, self.types)
        return keccak(b"\x19\x01" + separator + message)

    def signer(self, signature: str) -> str:
        """The address, in EIP-55 form, that signed it.

        `signature` is r, s and v in hexadecimal. Raises InvalidSignatureError for one of no key,
        or one that has a twin (EIP-2), and ValueError as `digest` does.
        """
        return recover(self.digest(), parse_signature(signature))

    def document(self) -> dict[str, Any]:
        """The parts under the names that EIP-712 gives them."""
        return {
            "domain": self.domain,
            "types": self.types,
            "primaryType": self.primary_type,
            "message": self.message,
        }


def domain(name: str, version: str, chain_id: int, contract: str) -> dict[str, Any]:
    """An EIP-712 domain; `contract` is an address."""
    return {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": contract,
    }


def attestation(
    domain: dict[str, Any], digest: str, kind: str, issued_at: datetime, nonce: int
) -> TypedData:
    """What the attestor signs: the hash of the data, 64 hexadecimal digits.

    nonce: the entry's index in the log, so no two signatures share one.
    """
    return TypedData(
        domain=domain,
        types=ATTESTATION_TYPES,
        primary_type=ATTESTATION_TYPE,
        message={
            "attestationHash": f"0x{digest}",
            "kind": kind,
            "issuedAt": int(issued_at.timestamp()),
            "nonce": nonce,
        },
    )


def _struct_hash(name: str, value: object, types: Types) -> bytes:
    fields = types[name]
    if not isinstance(value, Mapping) or value.keys() != {field["name"] for field in fields}:
        raise ValueError(f"{name} has other members than its type")
    encoded = b"".join(_encode(field["type"], value[field["name"]], types) for field in fields)
    return keccak(keccak(_signature(name, types).encode()) + encoded)


def _signature(name: str, types: Types) -> str:
    """The type in the form that is hashed: itself, then those it refers to by name."""
    found = {name}
    waiting = [name]
    while waiting:
        for field in types[waiting.pop()]:
            inner = field["type"].removesuffix("[]")
            if inner in types and inner not in found:
                found.add(inner)
                waiting.append(inner)
    return "".join(
        f"{each}({','.join('{type} {name}'.format_map(field) for field in types[each])})"
        for each in (name, *sorted(found - {name}))
    )


def _encode(kind: str, value: object, types: Types) -> bytes:
    """One member in 32 bytes."""
    if kind in types:
        return _struct_hash(kind, value, types)
    if kind.endswith("[]") and isinstance(value, list):
        inner = kind.removesuffix("[]")
        return keccak(b"".join(_encode(inner, item, types) for item in value))
    if kind == "string" and isinstance(value, str):
        return keccak(value.encode())
    if kind == "bool" and isinstance(value, bool):
        return value.to_bytes(32, "big")
    unsigned = _UNSIGNED.fullmatch(kind)
    if unsigned and isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < 1 << int(unsigned[1]):
            return value.to_bytes(32, "big")
    elif isinstance(value, str) and (match := _HEX.fullmatch(value)):
        raw = bytes.fromhex(match[1])
        if kind == "bytes":
            return keccak(raw)
        if (kind, len(raw)) in (("bytes32", 32), ("address", 20)):
            return raw.rjust(32, b"\0")
    raise ValueError(f"a value is no {kind}")
