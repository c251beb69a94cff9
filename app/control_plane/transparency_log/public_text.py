"""Text that becomes public permanently: in an attestation, or in an entry of the log."""

from app.core.errors import UnprocessableError
from app.core.redaction import has_secret


def require_no_secret(text: str) -> None:
    """Raises UnprocessableError for a text that contains an API key or access token."""
    if has_secret(text):
        raise UnprocessableError(
            "This contains an API key or token, and would be public permanently. Take it out, and "
            "revoke it if others may have seen it."
        )
