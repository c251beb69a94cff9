"""EIP-712 typed data: its hash, its signer, and the type that the attestor signs.

eth_account could do it, but it loads py_ecc, which raises Python's recursion limit to 100,000. From
then on a request that consists of opening brackets would overflow the stack and end the process.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from eth_hash.auto import keccak

from app.core.ethereum import parse_signature, recover

Fields = list[dict[str, str]]
Encoder = Callable[[object], bytes]


class Types(dict[str, Fields]):
    """Structures by name, which do not change: how each is encoded is found out once."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def fields(members: str) -> Fields:
    """The fields of a structure, from its members as EIP-712's encodeType writes them."""
    pairs = (member.split() for member in members.split(","))
    return [{"name": name, "type": kind} for kind, name in pairs]


_DOMAIN = "EIP712Domain"
_DOMAIN_FIELDS = fields("string name, string version, uint256 chainId, address verifyingContract")
_DOMAIN_TYPES = Types({_DOMAIN: _DOMAIN_FIELDS})
_UNSIGNED = re.compile(r"uint([0-9]+)")
# Bytes of the types that are written in hexadecimal.
_SIZES = {"bytes32": 32, "address": 20}

ATTESTATION_NAME = "HokusaiAttestation"
ATTESTATION_VERSION = "1"
ATTESTATION_TYPE = "Attestation"
# The hash stands for the data, because EIP-712 has no floating-point numbers.
ATTESTATION_TYPES = Types(
    {
        ATTESTATION_TYPE: fields(
            "bytes32 attestationHash, string kind, uint64 issuedAt, uint256 nonce"
        )
    }
)


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
        message = _struct_hash(self.types, self.primary_type, self.message)
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
        return _struct_hash(_DOMAIN_TYPES, _DOMAIN, domain)


# Typed, because 1 and true are equal in Python, and only one of them is a number here.
@lru_cache(maxsize=32, typed=True)
def _known_separator(*parts: Any) -> bytes:
    """parts: the names of the domain's members, each followed by its value."""
    domain = dict(zip(parts[::2], parts[1::2], strict=True))
    return _struct_hash(_DOMAIN_TYPES, _DOMAIN, domain)


def _struct_hash(types: Types, name: str, value: object) -> bytes:
    """EIP-712's hashStruct."""
    type_hash, encoders = _structure(types, name)
    if not isinstance(value, Mapping) or value.keys() != encoders.keys():
        raise ValueError(f"a {name} has other members than its type")
    members = [encode(value[member]) for member, encode in encoders.items()]
    return keccak(type_hash + b"".join(members))


@lru_cache(maxsize=32)
def _structure(types: Types, name: str) -> tuple[bytes, dict[str, Encoder]]:
    """The hash of a structure's type, and how each of its members is encoded."""
    encoders = {field["name"]: _encoder(types, field["type"]) for field in types[name]}
    return keccak(_type(name, types).encode()), encoders


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


def _encoder(types: Types, kind: str) -> Encoder:
    """Encodes a member of a structure in 32 bytes (EIP-712's encodeData)."""
    if kind in types:
        return partial(_struct_hash, types, kind)
    if kind.endswith("[]"):
        return partial(_encode_array, kind, _encoder(types, kind.removesuffix("[]")))
    if kind in _SIZES:
        return partial(_encode_fixed, kind, _SIZES[kind])
    unsigned = _UNSIGNED.fullmatch(kind)
    if unsigned:
        return partial(_encode_unsigned, kind, 1 << int(unsigned[1]))
    return {"string": _encode_string, "bytes": _encode_bytes, "bool": _encode_bool}[kind]


def _encode_array(kind: str, encode: Encoder, value: object) -> bytes:
    if not isinstance(value, list):
        raise _invalid(kind)
    return keccak(b"".join([encode(item) for item in value]))


def _encode_fixed(kind: str, size: int, value: object) -> bytes:
    raw = _from_hex(kind, value)
    if len(raw) != size:
        raise _invalid(kind)
    return raw.rjust(32, b"\0")


def _encode_unsigned(kind: str, end: int, value: object) -> bytes:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < end:
        raise _invalid(kind)
    return value.to_bytes(32, "big")


def _encode_string(value: object) -> bytes:
    if not isinstance(value, str):
        raise _invalid("string")
    return keccak(value.encode())


def _encode_bytes(value: object) -> bytes:
    return keccak(_from_hex("bytes", value))


def _encode_bool(value: object) -> bytes:
    if not isinstance(value, bool):
        raise _invalid("bool")
    return value.to_bytes(32, "big")


def _from_hex(kind: str, value: object) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raise _invalid(kind) from None
        # Python also reads digits with white space between them.
        if len(value) == 2 + 2 * len(raw):
            return raw
    raise _invalid(kind)


def _invalid(kind: str) -> ValueError:
    return ValueError(f"a value is not a valid {kind}")
