"""Replaces credentials in log lines and error messages, as the last safeguard."""

import re
from typing import Final

# Matches an API key, an access token, the secret of a session or of a sign-in link in any text;
# also documented for secret scanners.
SECRET_PATTERN: Final = r"hk_(?:live|token|session|link)_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}"  # noqa: S105

_SECRET = re.compile(SECRET_PATTERN)


def has_secret(text: str) -> bool:
    """Whether a text contains something of the form of a credential."""
    return "hk_" in text and _SECRET.search(text) is not None


def shortened(text: str, longest: int) -> str:
    """A text for people, redacted, and cut to `longest` characters, with `…` where it was longer.

    Redacted before it is cut: a part of a key would not be recognised.
    """
    text = redact(text)
    return text if len(text) <= longest else f"{text[:longest]}…"


def redact(text: str) -> str:
    """The text with each credential replaced by `hk_[redacted]`."""
    return _SECRET.sub("hk_[redacted]", text) if "hk_" in text else text
