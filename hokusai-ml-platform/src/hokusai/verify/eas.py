"""The off-chain attestation of the Ethereum Attestation Service, version 2."""

from __future__ import annotations

from typing import Any, Mapping

from hokusai.verify import eip712
from hokusai.verify.ethereum import from_hex, keccak, recover
from hokusai.verify.json_fields import CheckFailed, integer_at, object_at, part, text_at

NAME = "EAS Attestation"
TYPE = "Attest"
VERSION = 2
SCHEMA = "bytes32 attestationHash,string kind"


def envelope_signer(envelope: Mapping[str, Any], digest: str, kind: str) -> str:
    """Who signed an envelope over an attestation's hash (64 hexadecimal digits) and kind.

    Raises Fails, or ValueError, for an envelope that is of something else or does not hold.
    """
    given = object_at(envelope, "sig")
    message, domain = object_at(given, "message"), object_at(given, "domain")
    if part(given, "primaryType") != TYPE or part(given, "types") != eip712.listed(
        TYPE, eip712.ATTEST
    ):
        raise CheckFailed("it is not of the type of EAS's off-chain attestations, version 2")
    if integer_at(given, "version") != VERSION or integer_at(message, "version") != VERSION:
        raise CheckFailed("it is of another version than 2")
    if part(domain, "name") != NAME:
        raise CheckFailed("it is for another domain than that of EAS")
    if part(message, "schema") != _schema_uid() or part(message, "data") != _data(digest, kind):
        raise CheckFailed("it attests something else")
    hashed = eip712.digest(domain, TYPE, eip712.ATTEST, message)
    if _uid(message) != text_at(given, "uid"):
        raise CheckFailed("its uid is not that of its message")
    signature = object_at(given, "signature")
    v = integer_at(signature, "v")
    if v > 255:
        raise CheckFailed("the signature's v is neither 27 nor 28")
    r_s = from_hex(text_at(signature, "r")) + from_hex(text_at(signature, "s"))
    signer = recover(hashed, r_s + bytes((v,)))
    if signer.lower() != text_at(envelope, "signer").lower():
        raise CheckFailed(f"it is signed by {signer}, and not by the signer that it names")
    return signer


def _schema_uid() -> str:
    """The schema's id in EAS's registry: no resolver, revocable."""
    return "0x" + keccak(SCHEMA.encode() + bytes(20) + b"\x01").hex()


def _data(digest: str, kind: str) -> str:
    """The schema's fields, ABI-encoded: the hash, where the text is, its length, the text."""
    text = kind.encode()
    padded = text.ljust(-(-len(text) // 32) * 32, b"\0")
    lengths = (64).to_bytes(32, "big") + len(text).to_bytes(32, "big")
    return f"0x{digest}{lengths.hex()}{padded.hex()}"


def _uid(message: Mapping[str, Any]) -> str:
    """As EAS's SDK derives it: the schema goes in as the text of its hexadecimal form.

    The message has been hashed before, so that its values are of the right types.
    """
    packed = (
        message["version"].to_bytes(2, "big")
        + message["schema"].encode()
        + from_hex(message["recipient"])
        + bytes(20)
        + message["time"].to_bytes(8, "big")
        + message["expirationTime"].to_bytes(8, "big")
        + bytes([message["revocable"]])
        + from_hex(message["refUID"])
        + from_hex(message["data"])
        + from_hex(message["salt"])
        + bytes(4)
    )
    return "0x" + keccak(packed).hex()
