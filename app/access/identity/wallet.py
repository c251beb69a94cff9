"""Ethereum signatures: who signed the message that came with a request.

The message is the one of the integration guide, `Hokusai API Access - <time>`, signed as EIP-191
`personal_sign`. coincurve recovers the signer directly, in half the time that eth_account takes
over it and a hundredth of what pure Python does; without coincurve this module does not import.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from coincurve import PublicKey
from eth_hash.auto import keccak

from app.access.identity.credentials import WalletCredential
from app.core.errors import InvalidSignatureError, StaleSignatureError, UnprocessableError
from app.schemas.address import is_address

SIGNATURE_BYTES: Final = 65

# Python's isoformat() leaves a zero fraction out; other languages write three digits.
_MESSAGE = re.compile(
    r"Hokusai API Access - "
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)(?:Z|\+00:00)?"
)
_SIGNATURE = re.compile(r"(?:0x)?([0-9A-Fa-f]{130})")
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@dataclass(frozen=True, slots=True)
class VerifiedWallet:
    """A wallet that has signed a message.

    address: in EIP-55 form.
    digest: the 32 bytes that were signed. With the address it names this use of the wallet in the
        replay store; the signature's own bytes would not, since one message has many signatures.
    expires_at: when the message turns stale, until when a replay store has to remember it.
    """

    address: str
    digest: bytes
    expires_at: datetime


def verify(
    credential: WalletCredential, now: datetime, past: float, ahead: float
) -> VerifiedWallet:
    """Check the headers of the guide's HokusaiAuth class against the clock and the curve.

    `now` is an aware time. The time in the message is UTC and may lie `past` seconds back and
    `ahead` seconds ahead of it, both inclusive. The address may be in any casing, since it is the
    signature that proves it. Raises StaleSignatureError outside the window, InvalidSignatureError
    for everything else, each with the reason.
    """
    if not is_address(credential.address):
        raise InvalidSignatureError(
            "X-ETH-Address is not an Ethereum address: 0x and 40 hexadecimal digits."
        )
    signed_at = _time_in(credential.message)
    # Before the curve is asked: an old message costs no recovery.
    age = (now - signed_at).total_seconds()
    if age > past:
        raise StaleSignatureError(
            f"The signed message is {age:.0f} seconds old and may be {past:.0f}. Sign a new one "
            "for every request, with the time in UTC.",
            extra={"server_time": now.isoformat()},
        )
    if -age > ahead:
        raise StaleSignatureError(
            f"The signed message is {-age:.0f} seconds ahead of the gateway's clock and may be "
            f"{ahead:.0f}. Check your clock, and that the time is in UTC.",
            extra={"server_time": now.isoformat()},
        )
    digest = personal_digest(credential.message.encode())
    address = recover(digest, parse_signature(credential.signature))
    if address.lower() != credential.address.lower():
        raise InvalidSignatureError(
            f"The signature over X-ETH-Message is not one of {credential.address}."
        )
    return VerifiedWallet(address, digest, signed_at + timedelta(seconds=past))


def parse_signature(text: str) -> bytes:
    """The 65 bytes (r, s, v) of a signature in hexadecimal, with or without `0x`.

    Raises InvalidSignatureError when it has another form.
    """
    match = _SIGNATURE.fullmatch(text)
    if match is None:
        raise InvalidSignatureError(
            "The signature is not 65 bytes in hexadecimal: 130 digits, with or without 0x."
        )
    return bytes.fromhex(match[1])


def personal_digest(message: bytes) -> bytes:
    """The 32 bytes that `personal_sign` signs for a message (EIP-191, version 0x45)."""
    return keccak(b"\x19Ethereum Signed Message:\n%d%b" % (len(message), message))


def personal_recover(message: bytes, signature: bytes) -> str:
    """The address, in EIP-55 form, whose `personal_sign` over the message gave the signature.

    `signature` is r, s and v in 65 bytes. Raises InvalidSignatureError when it is of no key at
    all, has its s in the upper half of the order (EIP-2), or a v other than 27 and 28.
    """
    return recover(personal_digest(message), signature)


def checksum_address(text: str) -> str:
    """An address of any casing in its EIP-55 form.

    Raises UnprocessableError when it is not `0x` and 40 hexadecimal digits.
    """
    if not is_address(text):
        raise UnprocessableError(
            "This is not an Ethereum address, which is 0x and 40 hexadecimal digits."
        )
    return _checksum(text[2:].lower())


def _time_in(message: str) -> datetime:
    match = _MESSAGE.fullmatch(message)
    if match is None:
        raise InvalidSignatureError(
            "X-ETH-Message has to read `Hokusai API Access - <time>`, with the time in UTC as in "
            "2026-01-31T23:59:59.123456."
        )
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidSignatureError("The time in X-ETH-Message does not exist.") from None


def recover(digest: bytes, signature: bytes) -> str:
    """The address, in EIP-55 form, whose key signed the 32 bytes of `digest`.

    Raises InvalidSignatureError as `personal_recover` does.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignatureError(
            f"The signature has {len(signature)} bytes; r, s and v take {SIGNATURE_BYTES}."
        )
    # libsecp256k1 recovers from all of these, which would give one message several signatures.
    v = signature[64]
    if v not in (27, 28):
        raise InvalidSignatureError(f"The signature's last byte, v, is {v}; it has to be 27 or 28.")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise InvalidSignatureError(
            "The signature's s is in the upper half of the curve's order, which EIP-2 rules out."
        )
    recoverable = signature[:64] + bytes((v - 27,))
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except ValueError:
        raise InvalidSignatureError("The signature is not one of any key.") from None
    return _address_of(key.format(compressed=False))


# The same few wallets call again and again; to hash costs half of what the curve does.
@lru_cache(maxsize=4096)
def _address_of(public_key: bytes) -> str:
    """The address, in EIP-55 form, of a public key: 65 bytes, uncompressed (SEC 1)."""
    return _checksum(keccak(public_key[1:])[12:].hex())


@lru_cache(maxsize=4096)
def _checksum(digits: str) -> str:
    nibbles = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble > "7" else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )
