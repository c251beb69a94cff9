"""Kinds of values that several schemas take."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from app.redaction import has_secret


def _no_secret(text: str) -> str:
    if has_secret(text):
        raise ValueError("this holds an API key or token, which must not be kept in clear")
    return text


# One line of visible text; PostgreSQL keeps no NUL, and logs want no line breaks.
Label = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(_no_secret),
]


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside of the years 1 to 9999 in UTC") from None


# A time with its zone, taken to UTC: the database's driver fails over it at the calendar's ends.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
