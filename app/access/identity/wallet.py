"""Ethereum signatures: who signed the message that came with a request.

The message is the one of the integration guide, `Hokusai API Access - <time>`, signed as EIP-191
`personal_sign`.
"""

import re
from datetime import UTC, datetime, timedelta

from app.access.identity.credentials import WalletCredential
from app.core.errors import InvalidSignatureError, StaleSignatureError
from app.core.ethereum import is_address, parse_signature, personal_digest, recover
from app.core.request.wallet_proof import VerifiedWallet

# Python's isoformat() leaves a zero fraction out; other languages write three digits.
_MESSAGE = re.compile(
    r"Hokusai API Access - "
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)(?:Z|\+00:00)?"
)


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
