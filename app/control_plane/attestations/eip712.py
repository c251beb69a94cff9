"""EIP-712 typed data: its hash, its signer, and the type that the attestor signs.

eth_account could do it, but it loads py_ecc, which raises Python's recursion limit to 100,000. From
then on a request that consists of opening brackets would overflow the stack and end the process.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from eth_hash.auto import keccak

from app.core.ethereum import parse_signature, recover

Fields = list[dict[str, str]]
Types = dict[str, Fields]


def fields(members: str) -> Fields:
    """The fields of a structure, from its members as EIP-712's encodeType writes them."""
    pairs = (member.split() for member in members.split(","))
    return [{"name": name, "type": kind} for kind, name in pairs]


_DOMAIN = "EIP712Domain"
_DOMAIN_FIELDS = fields("string name, string version, uint256 chainId, address verifyingContract")
_DOMAIN_TYPES: Types = {_DOMAIN: _DOMAIN_FIELDS}
_UNSIGNED = re.compile(r"uint([0-9]+)")
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)")

ATTESTATION_NAME = "HokusaiAttestation"
ATTESTATION_VERSION = "1"
ATTESTATION_TYPE = "Attestation"
# The hash stands for the data, because EIP-712 has no floating-point numbers.
ATTESTATION_TYPES: Types = {
    ATTESTATION_TYPE: fields("bytes32 attestationHash, string kind, uint64 issuedAt, uint256 nonce")
}


@dataclass(frozen=True, slots=True)
class TypedData:
    """An EIP-712 message, in the parts that wallet libraries take.

    Supported are the types that our messages use: string, bytes, bytes32, address, bool, unsigned
    integers, structures, and arrays of structures.
    """

    domain: dict[str, Any]
    types: Types
    primary_type: str
    message: dict[str, Any]

    def digest(self) -> bytes:
        """The 32 bytes that are signed. Raises ValueError where a value is not of its type."""
        message = _struct_hash(self.primary_type, self.message, self.types)
        return keccak(b"\x19\x01" + _separator(self.domain) + message)

    def signer(self, signature: str) -> str:
        """The address, in EIP-55 form, of the key that signed the message.

        signature: r, s and v in hexadecimal. Raises InvalidSignatureError where no key made it, or
        where its s is in the upper half of the curve's order (EIP-2); ValueError as `digest` does.
        """
        return recover(self.digest(), parse_signature(signature))

    def as_dict(self) -> dict[str, Any]:
        """The parts under their names in EIP-712."""
        return {
            "domain": self.domain,
            "types": self.types,
            "primaryType": self.primary_type,
            "message": self.message,
        }


def domain(name: str, version: str, chain_id: int, contract: str) -> dict[str, Any]:
    """An EIP-712 domain. contract: the address of the verifying contract."""
    return {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": contract,
    }


def attestation(
    domain: dict[str, Any], digest: str, kind: str, issued_at: datetime, nonce: int
) -> TypedData:
    """The message that the attestor signs for an attestation.

    digest: the attestation's hash, 64 hexadecimal digits. nonce: the index of its log entry, so
    that no two signed messages are the same.
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


def _separator(domain: Mapping[str, Any]) -> bytes:
    """The hash of a domain, which is one of few for all messages that are signed."""
    try:
        return _known_separator(*chain.from_iterable(domain.items()))
    except TypeError:  # a value of a domain in a document that cannot be hashed, such as a list
        return _struct_hash(_DOMAIN, domain, _DOMAIN_TYPES)


# Typed, because 1 and true are equal in Python, and only one of them is a number here.
@lru_cache(maxsize=32, typed=True)
def _known_separator(*parts: Any) -> bytes:
    """parts: the names of the domain's members, each followed by its value."""
    domain = dict(zip(parts[::2], parts[1::2], strict=True))
    return _struct_hash(_DOMAIN, domain, _DOMAIN_TYPES)


def _struct_hash(name: str, value: object, types: Types) -> bytes:
    """EIP-712's hashStruct."""
    fields = types[name]
    if not isinstance(value, Mapping) or value.keys() != {field["name"] for field in fields}:
        raise ValueError(f"a {name} has other members than its type")
    encoded = b"".join(_encode(field["type"], value[field["name"]], types) for field in fields)
    return keccak(_type_hash(_type(name, types)) + encoded)


@lru_cache(maxsize=32)
def _type_hash(encoded: str) -> bytes:
    return keccak(encoded.encode())


def _type(name: str, types: Types) -> str:
    """EIP-712's encodeType: the type, then the types that it refers to, sorted by name."""
    found = {name}
    pending = [name]
    while pending:
        for field in types[pending.pop()]:
            inner = field["type"].removesuffix("[]")
            if inner in types and inner not in found:
                found.add(inner)
                pending.append(inner)
    return "".join(
        f"{each}({','.join('{type} {name}'.format_map(field) for field in types[each])})"
        for each in (name, *sorted(found - {name}))
    )


def _encode(kind: str, value: object, types: Types) -> bytes:
    """A member of a structure in 32 bytes (EIP-712's encodeData)."""
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
    raise ValueError(f"a value is not a valid {kind}")
