"""Off-chain attestations of the Ethereum Attestation Service (EAS), version 2."""

from __future__ import annotations

from typing import Any, Mapping

from hokusai.verify import eip712
from hokusai.verify.ethereum import from_hex, keccak, recover
from hokusai.verify.json_fields import CheckFailed, integer_at, member, object_at, text_at

DOMAIN_NAME = "EAS Attestation"
TYPE = "Attest"
VERSION = 2
SCHEMA = "bytes32 attestationHash,string kind"


def envelope_signer(envelope: Mapping[str, Any], digest: str, kind: str) -> str:
    """Verify an EAS envelope, and return the address of its signer in EIP-55 form.

    Args:
        envelope: The member `eas` of an attestation.
        digest: The attestation's hash, 64 hexadecimal digits.
        kind: The attestation's kind.

    Raises:
        CheckFailed: The envelope is of another type, or about something else.
        ValueError: A value or the signature is not valid.
    """
    signed = object_at(envelope, "sig")
    message, domain = object_at(signed, "message"), object_at(signed, "domain")
    if member(signed, "primaryType") != TYPE or member(signed, "types") != eip712.types_member(
        TYPE, eip712.ATTEST
    ):
        raise CheckFailed("its type is not that of an EAS off-chain attestation, version 2")
    if integer_at(signed, "version") != VERSION or integer_at(message, "version") != VERSION:
        raise CheckFailed("its version is not 2")
    if member(domain, "name") != DOMAIN_NAME:
        raise CheckFailed("its domain is not that of EAS")
    if member(message, "schema") != _schema_uid() or member(message, "data") != _data(digest, kind):
        raise CheckFailed("it attests something else")
    hashed = eip712.typed_data_digest(domain, TYPE, eip712.ATTEST, message)
    if _uid(message) != text_at(signed, "uid"):
        raise CheckFailed("its uid is not that of its message")
    signature = object_at(signed, "signature")
    v = integer_at(signature, "v")
    if v > 255:
        raise CheckFailed("the signature's v is neither 27 nor 28")
    r_and_s = from_hex(text_at(signature, "r")) + from_hex(text_at(signature, "s"))
    signer = recover(hashed, r_and_s + bytes((v,)))
    if signer.lower() != text_at(envelope, "signer").lower():
        raise CheckFailed(f"it is signed by {signer}, not by the signer that it names")
    return signer


def _schema_uid() -> str:
    """The schema's id in EAS's registry: without a resolver (20 zero bytes), revocable (1)."""
    return "0x" + keccak(SCHEMA.encode() + bytes(20) + b"\x01").hex()


def _data(digest: str, kind: str) -> str:
    """The schema's fields, ABI-encoded: hash, offset of the text, its length, the text."""
    text = kind.encode()
    padded = text.ljust(-(-len(text) // 32) * 32, b"\0")
    offset_and_length = (64).to_bytes(32, "big") + len(text).to_bytes(32, "big")
    return f"0x{digest}{offset_and_length.hex()}{padded.hex()}"


def _uid(message: Mapping[str, Any]) -> str:
    """The attestation's id, as EAS's SDK derives it.

    It packs the schema as the text of its hexadecimal form. The message has been hashed before, so
    that its values have the right types.
    """
    packed = (
        message["version"].to_bytes(2, "big")
        + message["schema"].encode()
        + from_hex(message["recipient"])
        + bytes(20)  # the attester, which EAS's SDK leaves empty
        + message["time"].to_bytes(8, "big")
        + message["expirationTime"].to_bytes(8, "big")
        + bytes([message["revocable"]])
        + from_hex(message["refUID"])
        + from_hex(message["data"])
        + from_hex(message["salt"])
        + bytes(4)  # the index, which is 0
    )
    return "0x" + keccak(packed).hex()
