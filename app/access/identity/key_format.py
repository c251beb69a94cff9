"""The format of API keys and other secrets: generation, checksum, and the stored hash.

A key has the form `hk_live_<43 characters>_<6 characters>`, a wallet's token `hk_token_…`, the
secret of a session `hk_session_…`, that of a sign-in link `hk_link_…`: 256 random bits in base62,
then the CRC32, in base62, of everything before the last underscore. By the checksum, a mistyped key
is refused without a query of the database; it is not a security measure.
"""

import hmac
import re
import secrets
import zlib
from typing import Final

from app.core.redaction import SECRET_PATTERN

KEY_PREFIX: Final = "hk_live_"
TOKEN_PREFIX: Final = "hk_token_"  # noqa: S105  # a prefix, not a secret
SESSION_PREFIX: Final = "hk_session_"
LINK_PREFIX: Final = "hk_link_"

_FULL = re.compile(SECRET_PATTERN)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 43
_CHECKSUM_LENGTH = 6


def new_key() -> str:
    """A new random API key."""
    return _new(KEY_PREFIX)


def new_token() -> str:
    """A new random token for a wallet."""
    return _new(TOKEN_PREFIX)


def new_session() -> str:
    """A new random secret of a session, which its cookie holds."""
    return _new(SESSION_PREFIX)


def new_link() -> str:
    """A new random secret of a sign-in link."""
    return _new(LINK_PREFIX)


def is_well_formed(text: str) -> bool:
    """Whether a text has the form of one of these secrets, with the right checksum.

    The time it takes does not grow with the length of a malformed text.
    """
    if _FULL.fullmatch(text) is None:
        return False
    return text[-_CHECKSUM_LENGTH:] == _checksum(text[: -_CHECKSUM_LENGTH - 1])


def is_token(text: str) -> bool:
    """Whether a text begins like a wallet's token, and not like an API key."""
    return text.startswith(TOKEN_PREFIX)


def is_key(text: str) -> bool:
    """Whether a text has the form of an API key, with the right checksum."""
    return text.startswith(KEY_PREFIX) and is_well_formed(text)


def is_session(text: str) -> bool:
    """Whether a text has the form of a session's secret, with the right checksum."""
    return text.startswith(SESSION_PREFIX) and is_well_formed(text)


def is_link(text: str) -> bool:
    """Whether a text has the form of a sign-in link's secret, with the right checksum."""
    return text.startswith(LINK_PREFIX) and is_well_formed(text)


def digest(text: str, pepper: bytes) -> bytes:
    """What the database stores of a key: its HMAC-SHA256 with the pepper, 32 bytes."""
    return hmac.digest(pepper, text.encode(), "sha256")


def hint(text: str) -> str:
    """What lists show of a key, so that its owner recognises it: `hk_live_...wxyz`.

    The last four random characters are shown; 232 bits remain secret. Raises ValueError if the text
    is not a key or token, since then showing any part of it might reveal too much.
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
