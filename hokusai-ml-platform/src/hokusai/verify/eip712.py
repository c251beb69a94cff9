"""EIP-712 over flat structures, the two that an attestation is signed as.

The types are ours and not the document's: a document must not choose what its signature means.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from hokusai.verify.ethereum import from_hex, keccak

_UNSIGNED = re.compile(r"uint([0-9]+)")

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


def digest(
    domain: Mapping[str, Any], name: str, fields: Fields, message: Mapping[str, Any]
) -> bytes:
    """The 32 bytes that are signed. Raises ValueError for values of other types."""
    separator = _struct_hash("EIP712Domain", DOMAIN, domain)
    return keccak(b"\x19\x01" + separator + _struct_hash(name, fields, message))


def listed(name: str, fields: Fields) -> dict[str, list[dict[str, str]]]:
    """The types as documents carry them."""
    return {name: [{"name": each, "type": kind} for each, kind in fields.items()]}


def _struct_hash(name: str, fields: Fields, values: Mapping[str, Any]) -> bytes:
    if values.keys() != fields.keys():
        raise ValueError(f"{name} has other members than its type")
    signature = f"{name}({','.join(f'{kind} {each}' for each, kind in fields.items())})"
    encoded = b"".join(_encode(name, each, kind, values[each]) for each, kind in fields.items())
    return keccak(keccak(signature.encode()) + encoded)


def _encode(name: str, member: str, kind: str, value: Any) -> bytes:
    """One member in 32 bytes."""
    unsigned = _UNSIGNED.fullmatch(kind)
    if unsigned:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and 0 <= value < 1 << int(unsigned.group(1)):
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
    raise ValueError(f"{name}.{member} is no {kind}")
