"""Base64 in its only canonical form."""

from __future__ import annotations

import base64
import re

_BASE64 = re.compile(
    "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
)


def decode(text: str) -> bytes:
    """Decode base64 in its only canonical form, in which the unused last bits are zero.

    Raises:
        ValueError: The text has another form.
    """
    # Versions of Python differ in what else they decode.
    if _BASE64.fullmatch(text) is None:
        raise ValueError("a part is not valid base64")
    raw = base64.b64decode(text)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("a part is not in the canonical form of base64")
    return raw
