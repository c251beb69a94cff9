"""Hashing EIP-712 typed data, for the two flat types that attestations are signed as.

The types are fixed here and never read from the document, which must not be able to choose what
its signature means.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from hokusai.verify.ethereum import from_hex, keccak

_UNSIGNED = re.compile(r"uint([0-9]+)")

# The type of each member by its name, in the order in which they are hashed.
Fields = Mapping[str, str]

DOMAIN: Fields = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
}
ATTESTATION: Fields = {
    "attestationHash": "bytes32",
    "kind": "string",
    "issuedAt": "uint64",
    "nonce": "uint256",
}
# Off-chain attestations of the Ethereum Attestation Service, version 2.
ATTEST: Fields = {
    "version": "uint16",
    "schema": "bytes32",
    "recipient": "address",
    "time": "uint64",
    "expirationTime": "uint64",
    "revocable": "bool",
    "refUID": "bytes32",
    "data": "bytes",
    "salt": "bytes32",
}


def typed_data_digest(
    domain: Mapping[str, Any], name: str, fields: Fields, message: Mapping[str, Any]
) -> bytes:
    """Return the hash that is signed, 32 bytes.

    Args:
        domain: The values of `DOMAIN`.
        name: The name of the message's type.
        fields: The members of that type.
        message: Their values.

    Raises:
        ValueError: A value is missing, superfluous or not of its type.
    """
    separator = _struct_hash("EIP712Domain", DOMAIN, domain)
    return keccak(b"\x19\x01" + separator + _struct_hash(name, fields, message))


def types_member(name: str, fields: Fields) -> dict[str, list[dict[str, str]]]:
    """Return the member `types` of a document that is signed with this type."""
    return {name: [{"name": field, "type": kind} for field, kind in fields.items()]}


def _struct_hash(name: str, fields: Fields, values: Mapping[str, Any]) -> bytes:
    if values.keys() != fields.keys():
        raise ValueError(f"{name} has other members than its type")
    signature = f"{name}({','.join(f'{kind} {field}' for field, kind in fields.items())})"
    encoded = b"".join(_encode(name, field, kind, values[field]) for field, kind in fields.items())
    return keccak(keccak(signature.encode()) + encoded)


def _encode(name: str, field: str, kind: str, value: Any) -> bytes:
    """One value as 32 bytes."""
    unsigned = _UNSIGNED.fullmatch(kind)
    if unsigned:
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if is_integer and 0 <= value < 1 << int(unsigned.group(1)):
            return int(value).to_bytes(32, "big")
    elif kind == "bool":
        if isinstance(value, bool):
            return int(value).to_bytes(32, "big")
    elif isinstance(value, str):
        if kind == "string":
            return keccak(value.encode())
        raw = from_hex(value)
        if kind == "bytes":
            return keccak(raw)
        if (kind, len(raw)) in (("bytes32", 32), ("address", 20)):
            return raw.rjust(32, b"\0")
    raise ValueError(f"{name}.{field} is not a valid {kind}")
