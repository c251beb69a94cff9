"""The endpoint that lists the audit log, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access.audit import service
from app.access.audit.schemas import AuditEventView, AuditFilter
from app.rest.dependencies import Admin, Session
from app.rest.pagination import Page

router = APIRouter(prefix="/api", tags=["admin"])


@router.get("/admin/audit")
async def list_events(
    _: Admin, session: Session, query: Annotated[AuditFilter, Query()]
) -> Page[AuditEventView]:
    """List the audit log: who changed what and when, newest first."""
    found = await service.list_events(session, query)
    return Page.of(
        found, query.limit, key=lambda event: event.id, view=AuditEventView.model_validate
    )
