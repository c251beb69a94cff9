"""Ethereum's hash, addresses and signatures, as far as verifying needs them.

coincurve and pycryptodome load in a tenth of the time of eth_account, and leave Python's recursion
limit as it is.
"""

from __future__ import annotations

import re

from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak

_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{40}")
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)")
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def keccak(data: bytes) -> bytes:
    """Keccak-256, 32 bytes: Ethereum's, which is not SHA3-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


def checksum_address(text: str) -> str:
    """An address of any casing in its EIP-55 form. Raises ValueError for what is none."""
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("an Ethereum address is 0x and 40 hexadecimal digits")
    digits = text[2:].lower()
    nibbles = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble > "7" else digit for digit, nibble in zip(digits, nibbles)
    )


def from_hex(text: str) -> bytes:
    """The bytes of 0x and pairs of digits. Raises ValueError for another form."""
    match = _HEX.fullmatch(text)
    if match is None:
        raise ValueError("this is not 0x and pairs of hexadecimal digits")
    return bytes.fromhex(match.group(1))


def recover(digest: bytes, signature: bytes) -> str:
    """Whose key, as an address in EIP-55 form, signed 32 bytes.

    `signature`: r, s and v, 65 bytes. Raises ValueError for one of no key, and for those that
    would give one message several signatures: a high s (EIP-2), a v other than 27 and 28.
    """
    if len(signature) != 65:
        raise ValueError("the signature has not the 65 bytes of r, s and v")
    if signature[64] not in (27, 28):
        raise ValueError("the signature's v is neither 27 nor 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise ValueError("the signature's s is in the upper half of the order, ruled out by EIP-2")
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception:  # coincurve raises a bare Exception for a signature of no key
        raise ValueError("the signature is not one of any key") from None
    return checksum_address("0x" + keccak(key.format(compressed=False)[1:])[12:].hex())
