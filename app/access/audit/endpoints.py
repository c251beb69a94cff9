"""The endpoints that list the audit log, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from app.access.audit import service
from app.access.audit.csv_export import COLUMNS, CUT, MAX_ROWS, csv_lines
from app.access.audit.schemas import AuditConditions, AuditEventView, AuditFilter
from app.rest.dependencies import Admin, CurrentReads
from app.rest.pagination import Page

router = APIRouter(prefix="/api", tags=["admin"])


@router.get("/admin/audit", response_model=Page[AuditEventView])
async def list_events(
    _: Admin, reads: CurrentReads, query: Annotated[AuditFilter, Query()]
) -> Response:
    """List the audit log: who changed what and when, newest first."""
    return await service.list_events(reads, query)


@router.get(
    "/admin/audit.csv",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": f"The first line names the columns: {', '.join(COLUMNS)}.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
    description=f"The audit log as CSV, newest first, at most {MAX_ROWS:,} entries. Where there "
    f"are more, a last line with the action `{CUT}` says so: narrow the period with `since` and "
    "`until`. A text that a spreadsheet would compute begins with an apostrophe.",
)
async def export_events(
    _: Admin, reads: CurrentReads, conditions: Annotated[AuditConditions, Query()]
) -> Response:
    """Send the audit log as CSV, a part at a time."""
    return StreamingResponse(
        csv_lines(reads, conditions),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"content-disposition": 'attachment; filename="audit.csv"'},
    )
