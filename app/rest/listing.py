"""Lists: how one is read a page at a time, at a cost that does not grow with the tables.

A page is found by an index, in the order of the list. Conditions that the index does not cover are
checked on at most `EXAMINED` entries, so that a page may have fewer entries than its limit, or
none, while `next` leads on. Rows are loaded in batches until the page has `MAX_BYTES`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import BindParameter, ColumnElement, Select, and_, any_, bindparam, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from starlette.responses import Response

from app.database.reads import Reads, Statement
from app.rest.pagination import decode_cursor, decode_number, encode_cursor, wrong_list_error

View = TypeVar("View", bound=BaseModel)

EXAMINED = 2000
MAX_BYTES = 256 * 1024
# Few enough that the longest rows, of some hundred KB, fit into memory.
BATCH = 50


@dataclass(frozen=True)
class Order:
    """The order of a list.

    columns: what it is ordered by; the last one identifies an entry.
    parse: the values of the columns from a cursor; it raises InvalidParameterError.
    write: the text that a cursor encodes, from these values.
    """

    columns: tuple[Any, ...]
    parse: Callable[[str], tuple[Any, ...]]
    write: Callable[[Sequence[Any]], str]
    descending: bool = True

    @property
    def terms(self) -> list[Any]:
        """For ORDER BY."""
        return [column.desc() if self.descending else column for column in self.columns]

    def after(self) -> ColumnElement[bool]:
        """SQL: the entries after the one of the cursor, `after_0`, `after_1`, …"""
        values: list[BindParameter[Any]] = [
            bindparam(f"after_{place}", type_=column.type)
            for place, column in enumerate(self.columns)
        ]
        left: ColumnElement[Any] = tuple_(*self.columns) if len(values) > 1 else self.columns[0]
        right: ColumnElement[Any] = tuple_(*values) if len(values) > 1 else values[0]
        return left < right if self.descending else left > right


def by_number(column: Any, *, descending: bool = True) -> Order:
    """The order of a list by a unique number, newest first."""
    return Order((column,), lambda cursor: (decode_number(cursor),), _first, descending)


def by_text(column: Any) -> Order:
    """The order of a list by a unique text."""
    return Order((column,), lambda cursor: (decode_cursor(cursor),), _first, descending=False)


def by_value(value: Any, column: Any, *, descending: bool) -> Order:
    """The order of a list by a number that is not unique, then by a unique whole number."""
    return Order((value, column), _value_and_number, _joined, descending)


def _value_and_number(cursor: str) -> tuple[float, int]:
    value, _, number = decode_cursor(cursor).partition(" ")
    try:
        parsed = float(value)
    except ValueError:
        parsed = math.nan
    if not (math.isfinite(parsed) and number.isascii() and number.isdecimal() and len(number) < 19):
        raise wrong_list_error()
    return parsed, int(number)


def _joined(values: Sequence[Any]) -> str:
    return f"{values[0]!r} {values[1]}"


def _first(values: Sequence[Any]) -> str:
    return str(values[0])


class Listing:
    """The statements that read one list with one set of conditions.

    order: the columns of the table in which the entries are found.
    columns: what is loaded of an entry, from the row whose `key` is the last column of the order.
    within: conditions that, with the order, one index covers.
    fits: the other conditions on the same table.
    rows: conditions on the row, where its key alone does not identify it.
    rows_fit: the other conditions, where the row is in another table: SQL, given its key. A scalar
        subquery, so that PostgreSQL looks up each row, and does not read the whole other table.
    """

    def __init__(
        self,
        order: Order,
        columns: Sequence[Any],
        key: Any,
        *,
        within: Sequence[ColumnElement[bool]] = (),
        fits: Sequence[ColumnElement[bool]] = (),
        rows: Sequence[ColumnElement[bool]] = (),
        rows_fit: Callable[[Any], ColumnElement[bool]] | None = None,
    ) -> None:
        self.order = order
        self.is_exact = not fits and rows_fit is None
        keys = bindparam("keys", type_=ARRAY(order.columns[-1].type))
        self.rows = Statement(select(*columns, key.label("key")).where(key == any_(keys), *rows))
        self.first = self._positions(within, fits, rows_fit)
        self.following = self._positions((*within, order.after()), fits, rows_fit)
        self.first_end = self._end(within)
        self.following_end = self._end((*within, order.after()))

    def _positions(
        self,
        within: Sequence[ColumnElement[bool]],
        fits: Sequence[ColumnElement[bool]],
        rows_fit: Callable[[Any], ColumnElement[bool]] | None,
    ) -> Statement:
        columns = [column.label(f"p{n}") for n, column in enumerate(self.order.columns)]
        size: BindParameter[int] = bindparam("size")
        query: Select[Any] = select(*columns).where(*within).order_by(*self.order.terms)
        if rows_fit is not None:
            examined = query.distinct().limit(EXAMINED).subquery("examined")
            condition = rows_fit(examined.c[f"p{len(columns) - 1}"])
        elif fits:
            examined = (
                query.add_columns(and_(*fits).label("fits")).limit(EXAMINED).subquery("examined")
            )
            condition = examined.c.fits
        else:
            return Statement(query.limit(size))
        found = [examined.c[f"p{n}"] for n in range(len(columns))]
        ordered = [column.desc() if self.order.descending else column for column in found]
        return Statement(select(*found).where(condition).order_by(*ordered).limit(size))

    def _end(self, within: Sequence[ColumnElement[bool]]) -> Statement:
        """The position of the last entry that is examined, if there are that many."""
        query = select(*self.order.columns).where(*within).order_by(*self.order.terms)
        return Statement(query.offset(EXAMINED - 1).limit(1))


class FilteredListing:
    """A list by a unique number, newest first, that callers filter: a `Listing` for each choice.

    number: the column with the number. columns: as `Listing` has them.
    visible: SQL, whether the caller may see an entry.
    conditions: by the names of filters, each with an index that begins with the column. The one
        that is likely to select the fewest comes first, and decides which index is used.
    elsewhere: the filters whose entries another table has: its column with the number, and the
        condition.
    """

    def __init__(
        self,
        number: Any,
        columns: Sequence[Any],
        *,
        visible: ColumnElement[bool],
        conditions: Mapping[str, ColumnElement[bool]],
        elsewhere: Mapping[str, tuple[Any, ColumnElement[bool]]],
    ) -> None:
        self._number = number
        self._columns = columns
        self._visible = visible
        self._conditions = conditions
        self._elsewhere = elsewhere
        self._listings: dict[frozenset[str], Listing] = {}

    def by(self, names: Iterable[str]) -> Listing:
        """The listing with the conditions of these filters."""
        filters = frozenset(names)
        if filters not in self._listings:
            self._listings[filters] = self._make(filters)
        return self._listings[filters]

    def _make(self, filters: frozenset[str]) -> Listing:
        chosen = [condition for name, condition in self._conditions.items() if name in filters]
        for name, (number, condition) in self._elsewhere.items():
            if name in filters:
                return Listing(
                    by_number(number),
                    self._columns,
                    self._number,
                    within=[condition],
                    rows_fit=lambda number: (
                        select(and_(self._visible, *chosen))
                        .where(self._number == number)
                        .scalar_subquery()
                    ),
                )
        return Listing(
            by_number(self._number),
            self._columns,
            self._number,
            within=chosen[:1],
            fits=[self._visible, *chosen[1:]],
        )


async def read_page(
    reads: Reads,
    listing: Listing,
    view: Callable[[Any], BaseModel],
    *,
    cursor: str | None,
    limit: int,
    **values: Any,
) -> Response:
    """One page of a list, as the JSON of a `Page`: see `load_page`."""
    items, following = await _load(reads, listing, view, cursor=cursor, limit=limit, **values)
    body = b'{"items":[%s],"next":%s}' % (
        b",".join(text for _, text in items),
        b"null" if following is None else b'"%s"' % following.encode(),
    )
    return Response(body, media_type="application/json")


async def load_page(
    reads: Reads,
    listing: Listing,
    view: Callable[[Any], View],
    *,
    cursor: str | None,
    limit: int,
    **values: Any,
) -> tuple[list[View], str | None]:
    """The entries of one page, and the cursor of the next page if there is one.

    view: an entry as the list shows it. cursor: `next` of the page before. values: of the listing's
    conditions. Raises InvalidParameterError for a cursor of another list.
    """
    items, following = await _load(reads, listing, view, cursor=cursor, limit=limit, **values)
    return [one for one, _ in items], following


async def _load(
    reads: Reads,
    listing: Listing,
    view: Callable[[Any], View],
    *,
    cursor: str | None,
    limit: int,
    **values: Any,
) -> tuple[list[tuple[View, bytes]], str | None]:
    """The same, each entry with its JSON."""
    if cursor is not None:
        after = listing.order.parse(cursor)
        values |= {f"after_{place}": value for place, value in enumerate(after)}
    statement = listing.first if cursor is None else listing.following
    positions = await reads.tuples(statement, size=limit + 1, **values)
    items: list[tuple[View, bytes]] = []
    size = 0
    for start in range(0, min(len(positions), limit), BATCH):
        batch = positions[start : min(start + BATCH, limit)]
        keys = [position[-1] for position in batch]
        rows = {row.key: row for row in await reads.all(listing.rows, keys=keys)}
        for place, key in enumerate(keys, start):
            if key not in rows:
                continue  # removed since
            shown = view(rows[key])
            text = shown.model_dump_json().encode()
            if items and size + len(text) > MAX_BYTES:
                return items, _cursor(listing, positions[place - 1])
            items.append((shown, text))
            size += len(text)
    if len(positions) > limit:
        return items, _cursor(listing, positions[limit - 1])
    if listing.is_exact:
        return items, None
    statement = listing.first_end if cursor is None else listing.following_end
    ends = await reads.tuples(statement, **values)
    return items, _cursor(listing, ends[0]) if ends else None


def _cursor(listing: Listing, position: Sequence[Any]) -> str:
    return encode_cursor(listing.order.write(position))
