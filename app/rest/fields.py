"""Kinds of values that several schemas take."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.core.redaction import has_secret
from app.core.text_pattern import TextPattern

_WRITTEN_OUT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _no_secret(text: str) -> str:
    if has_secret(text):
        raise ValueError("this holds an API key or token, which must not be kept in clear")
    return text


# One line of visible text; PostgreSQL keeps no NUL, and logs want no line breaks.
Label = Annotated[
    str,
    Field(min_length=1, max_length=200),
    TextPattern(r"^[^\x00-\x1f\x7f]+$", "must be one line of text, without control characters"),
    AfterValidator(_no_secret),
]


# Of a dict with such keys. That other keys are refused pydantic leaves out of its JSON Schema.
ByLabel: Any = Field(max_length=1000, json_schema_extra={"additionalProperties": False})


def _written_out(value: object) -> object:
    """Pydantic would take a bare number for the seconds since 1970."""
    if isinstance(value, str) and not _WRITTEN_OUT.match(value):
        raise ValueError("must be written as 2026-01-31T23:59:59Z (RFC 3339)")
    return value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 in UTC") from None


# A time with its zone, taken to UTC: the database's driver fails over it at the calendar's ends.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
