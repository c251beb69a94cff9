"""Field types that several request schemas share."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.core.redaction import has_secret
from app.core.text_pattern import TextPattern

_WRITTEN_OUT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def refuse_secret(text: str) -> str:
    """Return the text. Raises ValueError if it contains an API key or an access token."""
    if has_secret(text):
        raise ValueError("must not contain an API key or token, which would be stored in clear")
    return text


# One line of printable text. PostgreSQL cannot store NUL, and a line break would split a log line.
Label = Annotated[
    str,
    Field(min_length=1, max_length=200),
    TextPattern(r"^[^\x00-\x1f\x7f]+$", "must be one line of text, without control characters"),
    AfterValidator(refuse_secret),
]


# A SHA-256, or another hash of 32 bytes.
HexDigest = Annotated[
    str,
    TextPattern(r"^[0-9a-f]{64}$", "must be 64 hexadecimal digits in lower case"),
    Field(json_schema_extra={"maxLength": 64}, examples=["9f" * 32]),
]


def _is_number(value: object) -> object:
    """Refuse true, false and texts of digits, which pydantic would accept as numbers."""
    if isinstance(value, bool | str):
        raise ValueError("must be a whole number")  # noqa: TRY004 (pydantic catches ValueError)
    return value


# A number in a body, not true, false or a text of digits. Last in an annotation: pydantic writes no
# bounds that follow it into the JSON Schema.
WholeNumber = BeforeValidator(_is_number)


# For a dict whose keys are labels. Pydantic refuses other keys, but omits that in its JSON Schema.
ByLabel: Any = Field(json_schema_extra={"additionalProperties": False})


def _written_out(value: object) -> object:
    """Refuse a number in a string, which pydantic would accept as the seconds since 1970."""
    if isinstance(value, str) and not _WRITTEN_OUT.match(value):
        raise ValueError("must be a time such as 2026-01-31T23:59:59Z (RFC 3339)")
    return value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time within the years 1 to 9999 in UTC") from None


# A time with a time zone, converted to UTC here because the database driver raises OverflowError
# for times at the ends of the calendar.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
