"""The text of API keys and of the tokens that wallets are given: making, checking, hashing.

A secret reads `hk_live_<43 characters>_<6 characters>`: 256 random bits in base62, then the CRC32
of all that stands before the last underscore, in base62. The checksum tells a mistyped key from an
unknown one without a look at the database; it is no protection.
"""

import hmac
import re
import secrets
import zlib
from typing import Final

from app.core.redaction import SECRET_PATTERN

KEY_PREFIX: Final = "hk_live_"
TOKEN_PREFIX: Final = "hk_token_"  # noqa: S105  # names the format, is no secret

_FULL = re.compile(SECRET_PATTERN)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 43
_CHECKSUM_LENGTH = 6


def new_key() -> str:
    """A new API key, to be shown once."""
    return _new(KEY_PREFIX)


def new_token() -> str:
    """A new token for a wallet, good wherever a key is."""
    return _new(TOKEN_PREFIX)


def is_well_formed(text: str) -> bool:
    """Whether the text has the form of a key or token and its checksum is right.

    A malformed text of any length costs no more than a well-formed one.
    """
    if _FULL.fullmatch(text) is None:
        return False
    return text[-_CHECKSUM_LENGTH:] == _checksum(text[: -_CHECKSUM_LENGTH - 1])


def is_token(text: str) -> bool:
    """Whether a text begins as a wallet's token does, and not as an API key."""
    return text.startswith(TOKEN_PREFIX)


def digest(text: str, pepper: bytes) -> bytes:
    """What the database keeps of a key: its HMAC-SHA256 under the pepper, 32 bytes."""
    return hmac.digest(pepper, text.encode(), "sha256")


def hint(text: str) -> str:
    """What listings show of a key, for its holder to know it by: `hk_live_...wxyz`.

    The four characters end the random part, of which 232 bits stay unsaid. Raises ValueError when
    the text is no key or token, since then any part of it may be too much.
    """
    if _FULL.fullmatch(text) is None:
        raise ValueError("not the text of a key or token")
    prefix, random, _ = text.rsplit("_", 2)
    return f"{prefix}_...{random[-4:]}"


def _new(prefix: str) -> str:
    body = prefix + _base62(secrets.randbelow(62**_RANDOM_LENGTH), _RANDOM_LENGTH)
    return f"{body}_{_checksum(body)}"


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, remainder = divmod(number, 62)
        digits.append(_DIGITS[remainder])
    return "".join(reversed(digits))
