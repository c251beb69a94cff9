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
from app.web.forms import ListSearch
from app.web.rendering import page, paging, query

router = APIRouter(prefix="/admin/audit", include_in_schema=False)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class AuditSearch(ListSearch, AuditFilter):
    """The conditions of the API. A day, as the form sends it, is its beginning in UTC."""

    @field_validator("since", "until", mode="before")
    @classmethod
    def _beginning(cls, value: Any) -> Any:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return f"{value}T00:00:00Z"
        return value


@router.get("")
async def list_events(
    request: Request, _: Admin, reads: CurrentReads, conditions: Annotated[AuditSearch, Query()]
) -> Response:
    """The audit log, newest first."""
    events, following = await load_events(reads, conditions)
    chosen = conditions.chosen()
    chosen.pop("limit", None)
    return page(
        request,
        "admin/audit.html",
        events=events,
        conditions=conditions,
        csv=f"/api/admin/audit.csv{query(chosen)}",
        max_rows=MAX_ROWS,
        **paging(conditions, following),
    )
