"""Verifies the wallet's signature in the X-ETH-* headers of a request.

The signed message is that of docs/integration-guide.md, `Hokusai API Access - <time>`, signed with
`personal_sign` (EIP-191).
"""

import re
from datetime import UTC, datetime, timedelta

from app.access.identity.contract_wallets import Accepts, nobody_accepts, require_signature
from app.access.identity.credentials import WalletCredential
from app.core.errors import InvalidSignatureError, StaleSignatureError
from app.core.ethereum import checksum_address, is_address, personal_digest
from app.core.request.wallet_proof import WalletProof

# Python's isoformat() omits a fraction of zero; other languages write three digits.
_MESSAGE = re.compile(
    r"Hokusai API Access - "
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)(?:Z|\+00:00)?"
)


def verify(
    credential: WalletCredential,
    now: datetime,
    max_age: float,
    clock_skew: float,
    accepts: Accepts = nobody_accepts,
) -> WalletProof:
    """Verify the time of a wallet's message, and its signature.

    now: timezone-aware. The time in the message is in UTC; it may be up to `max_age` seconds before
    `now` and up to `clock_skew` seconds after. The address may be in any casing, since the
    signature proves it. Raises StaleSignatureError for the time, InvalidSignatureError for anything
    else; of these NotByKeyError where no private key of the address has made the signature.
    accepts: whether a contract is known to accept a signature that no private key has made.
    """
    if not is_address(credential.address):
        raise InvalidSignatureError(
            "X-ETH-Address is not a valid Ethereum address: 0x and 40 hexadecimal digits."
        )
    signed_at = _time_in(credential.message)
    # Verified first, because recovering the signer is expensive.
    age = (now - signed_at).total_seconds()
    if age > max_age:
        raise StaleSignatureError(
            f"The signed message is {age:.0f} seconds old; {max_age:.0f} are allowed. Sign a new "
            "message for every request, with the time in UTC.",
            extra={"server_time": now.isoformat()},
        )
    if -age > clock_skew:
        raise StaleSignatureError(
            f"The signed message is {-age:.0f} seconds ahead of the gateway's clock; "
            f"{clock_skew:.0f} are allowed. Check your clock, and that the time is in UTC.",
            extra={"server_time": now.isoformat()},
        )
    digest = personal_digest(credential.message.encode())
    address = checksum_address(credential.address)
    require_signature(
        address,
        digest,
        credential.signature,
        accepts,
        f"X-ETH-Message was not signed by {credential.address}.",
    )
    return WalletProof(address, digest, signed_at + timedelta(seconds=max_age))


def _time_in(message: str) -> datetime:
    match = _MESSAGE.fullmatch(message)
    if match is None:
        raise InvalidSignatureError(
            "X-ETH-Message must be `Hokusai API Access - <time>`, with the time in UTC such as "
            "2026-01-31T23:59:59.123456."
        )
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidSignatureError(
            "The time in X-ETH-Message is not a valid date and time."
        ) from None
