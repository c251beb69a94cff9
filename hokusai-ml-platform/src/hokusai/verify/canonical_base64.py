"""Base64 in its only canonical form."""

from __future__ import annotations

import base64


def decode(text: str) -> bytes:
    """Decode base64 in its only canonical form, in which the unused last bits are zero.

    Raises:
        ValueError: The text has another form.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("a part is not valid base64") from None
    if base64.b64encode(raw).decode() != text:
        raise ValueError("a part is not in the canonical form of base64")
    return raw
