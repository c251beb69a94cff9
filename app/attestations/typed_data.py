"""EIP-712 typed data: what it hashes to, who signed it, and the type of our own attestations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from app.identity.wallet import parse_signature, recover

Fields = list[dict[str, str]]
Types = dict[str, Fields]

_DOMAIN_FIELDS: Fields = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]

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
    """One message of EIP-712, in the parts that every wallet library takes."""

    domain: dict[str, Any]
    types: Types
    primary_type: str
    message: dict[str, Any]

    def digest(self) -> bytes:
        """The 32 bytes that are signed. Raises what eth_account raises for wrong values."""
        signable = encode_typed_data(
            full_message={
                "domain": self.domain,
                "types": {"EIP712Domain": _DOMAIN_FIELDS, **self.types},
                "primaryType": self.primary_type,
                "message": self.message,
            }
        )
        return keccak(b"\x19" + signable.version + signable.header + signable.body)

    def signer(self, signature: str) -> str:
        """The address, in EIP-55 form, that signed it.

        `signature` is r, s and v in hexadecimal. Raises InvalidSignatureError for one of no key,
        or one that has a twin (EIP-2).
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
