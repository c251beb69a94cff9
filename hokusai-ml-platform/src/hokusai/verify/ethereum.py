"""Ethereum's hash, addresses and signatures, as far as verifying needs them.

This uses coincurve and pycryptodome rather than eth_account, which takes ten times as long to
import and raises Python's recursion limit.
"""

from __future__ import annotations

import re

from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak

_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{40}")
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)")
# Half of the order of secp256k1.
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 hash, 32 bytes. It differs from SHA3-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


def checksum_address(text: str) -> str:
    """Return an address of any casing with its EIP-55 checksum.

    Raises:
        ValueError: This is not a valid address.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("an Ethereum address is 0x and 40 hexadecimal digits")
    digits = text[2:].lower()
    nibbles = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble > "7" else digit for digit, nibble in zip(digits, nibbles)
    )


def from_hex(text: str) -> bytes:
    """Decode `0x` and pairs of hexadecimal digits.

    Raises:
        ValueError: The text has another form.
    """
    match = _HEX.fullmatch(text)
    if match is None:
        raise ValueError("this is not 0x and pairs of hexadecimal digits")
    return bytes.fromhex(match.group(1))


def recover(digest: bytes, signature: bytes) -> str:
    """Return the address, in EIP-55 form, whose key signed a hash.

    Only the canonical form of a signature is accepted, so that a signature cannot be altered
    into another one that is valid too: s in the lower half of the order (EIP-2), v 27 or 28.

    Args:
        digest: The 32 bytes that were signed.
        signature: r, s and v, 65 bytes.

    Raises:
        ValueError: The signature is not canonical, or no key can have made it.
    """
    if len(signature) != 65:
        raise ValueError("the signature is not the 65 bytes of r, s and v")
    if signature[64] not in (27, 28):
        raise ValueError("the signature's v is neither 27 nor 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise ValueError("the signature's s is in the upper half of the order, which EIP-2 rejects")
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception:  # coincurve raises a bare Exception where no key matches
        raise ValueError("the signature is not valid for any key") from None
    return checksum_address("0x" + keccak(key.format(compressed=False)[1:])[12:].hex())
