"""The audit log as CSV (RFC 4180), for spreadsheets."""

import csv
import io
import json
from collections.abc import AsyncIterator

from app.access.audit.schemas import AuditConditions, AuditEventView, AuditFilter
from app.access.audit.service import load_events
from app.database.reads import Reads

COLUMNS = tuple(AuditEventView.model_fields)
# More entries than this are not sent at once: a narrower period has fewer.
MAX_ROWS = 50_000
_PAGE = 500
# The action of the last line where there are more entries. No entry of the log has it.
CUT = "export.cut"
# A spreadsheet computes a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def csv_lines(reads: Reads, conditions: AuditConditions) -> AsyncIterator[str]:
    """The head, then the matching entries, newest first, at most `MAX_ROWS`, a page at a time.

    Where there are more, a last line with the action CUT says so, and when the oldest one was that
    the file has. Texts that a spreadsheet would compute begin with an apostrophe.
    """
    yield _csv([COLUMNS])
    chosen = conditions.model_dump(exclude_none=True)
    left, cursor, oldest = MAX_ROWS, None, None
    while True:
        query = AuditFilter(**chosen, cursor=cursor, limit=min(left, _PAGE) or 1)
        events, cursor = await load_events(reads, query)
        if events and not left:
            yield _csv([_cut(oldest)])
            return
        if events:
            yield _csv([_row(event) for event in events])
            oldest = events[-1]
        left -= len(events)
        if cursor is None:
            return


def _cut(oldest: AuditEventView | None) -> list[str]:
    at = "" if oldest is None else oldest.model_dump(mode="json")["at"]
    words = f"there are older entries: ask for those until {at}"
    values = {"action": CUT, "details": words}
    return [values.get(name, "") for name in COLUMNS]


def _row(event: AuditEventView) -> list[str]:
    values = event.model_dump(mode="json")
    values["details"] = json.dumps(values["details"], ensure_ascii=False, sort_keys=True)
    return [_cell(values[name]) for name in COLUMNS]


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(rows: object) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)  # type: ignore[arg-type]
    return written.getvalue()
