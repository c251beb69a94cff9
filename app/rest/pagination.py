"""Cursor pagination: a list is read a page at a time, each page naming the cursor of the next."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.core.errors import InvalidParameterError

T = TypeVar("T")
Row = TypeVar("Row")
PageSize = Annotated[int, Field(ge=1, le=1000, description="How many entries, at most.")]
Cursor = Annotated[str | None, Field(max_length=200, description="`next` of the page before.")]


class PageRequest(BaseModel):
    """Which page of a list is wanted; as query parameters. A list's filters extend it."""

    cursor: Cursor = None
    limit: PageSize = 100

    def conditions(self) -> dict[str, Any]:
        """The filters that are given, by their names."""
        return self.model_dump(exclude={"cursor", "limit"}, exclude_none=True)


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(from_attributes=True)

    items: list[T]
    next: str | None = Field(
        default=None, description="The cursor of the next page, if there is one."
    )

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        limit: int,
        key: Callable[[Row], object],
        view: Callable[[Row], T],
    ) -> "Page[T]":
        """The first `limit` of some rows, each shown by `view`.

        rows: in the order of the list, one more than `limit` where another page follows.
        key: a row's position in the list, as the query that reads the next page compares it.
        """
        shown = rows[:limit]
        more = encode_cursor(str(key(shown[-1]))) if len(rows) > limit else None
        return cls(items=[view(row) for row in shown], next=more)


def encode_cursor(position: str) -> str:
    """An opaque cursor for the place after the entry at `position`."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_number(cursor: str) -> int:
    """The number inside a cursor of a list by number. Raises as `decode_cursor` does."""
    position = decode_cursor(cursor)
    if not (position.isascii() and position.isdecimal() and len(position) <= 18):
        raise wrong_list_error()
    return int(position)


def wrong_list_error() -> InvalidParameterError:
    """The error for the cursor of another list."""
    return InvalidParameterError(
        "The cursor is not one of this list: pass `next` of the page before, unchanged."
    )


def decode_cursor(cursor: str) -> str:
    """The position inside a cursor. Raises InvalidParameterError for one that is not ours."""
    try:
        position = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        position = "\0"
    if "\0" in position:  # which PostgreSQL takes in no text
        raise InvalidParameterError(
            "The cursor is not one of ours: pass `next` of the page before, unchanged."
        )
    return position
