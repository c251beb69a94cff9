"""The page of the audit log, for admins."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import field_validator
from starlette.responses import Response

from app.access.audit.csv_export import MAX_ROWS
from app.access.audit.schemas import AuditFilter
from app.access.audit.service import load_events
from app.rest.dependencies import Admin, CurrentReads
from app.rest.pagination import PageSize
from app.web.forms import Search
from app.web.rendering import page, paging, query

router = APIRouter(prefix="/admin/audit", include_in_schema=False)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class PageFilter(Search, AuditFilter):
    """The conditions of the API. A day, as the form sends it, is its beginning in UTC."""

    limit: PageSize = 50

    @field_validator("since", "until", mode="before")
    @classmethod
    def _beginning(cls, value: Any) -> Any:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return f"{value}T00:00:00Z"
        return value


@router.get("")
async def list_events(
    request: Request, _: Admin, reads: CurrentReads, conditions: Annotated[PageFilter, Query()]
) -> Response:
    """The audit log, newest first."""
    events, following = await load_events(reads, conditions)
    chosen = conditions.model_dump(mode="json", exclude_none=True, exclude={"cursor", "limit"})
    return page(
        request,
        "admin/audit.html",
        events=events,
        conditions=conditions,
        chosen=chosen,
        csv=f"/api/admin/audit.csv{query(chosen) if chosen else ''}",
        max_rows=MAX_ROWS,
        **paging(conditions.cursor, following, chosen),
    )
