"""The endpoint that lists the audit log, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from app.access.audit import service
from app.access.audit.schemas import AuditEventView, AuditFilter
from app.rest.dependencies import Admin, CurrentReads
from app.rest.pagination import Page

router = APIRouter(prefix="/api", tags=["admin"])


@router.get("/admin/audit", response_model=Page[AuditEventView])
async def list_events(
    _: Admin, reads: CurrentReads, query: Annotated[AuditFilter, Query()]
) -> Response:
    """List the audit log: who changed what and when, newest first."""
    return await service.list_events(reads, query)
