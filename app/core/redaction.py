"""Keeping keys and tokens out of what is written or said: the last line of defence."""

import re

from app.access.identity.key_format import SECRET_PATTERN

_SECRET = re.compile(SECRET_PATTERN)


def has_secret(text: str) -> bool:
    """Whether there is what looks like one of our keys or tokens in a text."""
    return "hk_" in text and _SECRET.search(text) is not None


def redact(text: str) -> str:
    """The text without what looks like one of our keys or tokens."""
    return _SECRET.sub("hk_[redacted]", text) if "hk_" in text else text
