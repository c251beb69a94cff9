"""Cursor pagination: pages hold every row once, and only cursors of ours are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidParameterError
from app.rest.pagination import Page, decode_cursor, decode_number, encode_cursor


def page(rows: list[int], limit: int) -> Page[str]:
    return Page.of(rows, limit, key=lambda row: row, view=lambda row: f"row {row}")


def test_a_row_more_than_the_limit_means_another_page() -> None:
    found = page([5, 4, 3], limit=2)
    assert found.items == ["row 5", "row 4"]
    assert found.next is not None
    assert decode_number(found.next) == 4


@pytest.mark.parametrize("rows", [[], [5], [5, 4]])
def test_the_last_page_has_no_cursor(rows: list[int]) -> None:
    found = page(rows, limit=2)
    assert (len(found.items), found.next) == (len(rows), None)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_cursor_holds_a_position(position: str) -> None:
    cursor = encode_cursor(position)
    assert "=" not in cursor
    assert decode_cursor(cursor) == position


@pytest.mark.parametrize("cursor", ["!", "a", "gICA", encode_cursor("a\0b")])
def test_any_other_text_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidParameterError, match="cursor"):
        decode_cursor(cursor)


@pytest.mark.parametrize("position", ["", "a", "-1", "1.0", "1" * 19, "\u0661"])
def test_a_list_by_number_takes_numbers_only(position: str) -> None:
    with pytest.raises(InvalidParameterError, match="cursor"):
        decode_number(encode_cursor(position))
