"""The audit log over HTTP, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access.audit import service
from app.access.audit.schemas import AuditEventView, AuditFilter
from app.rest.dependencies import Admin, Session
from app.rest.pagination import Page

router = APIRouter(prefix="/api", tags=["admin"])


@router.get("/admin/audit")
async def list_events(
    _: Admin, session: Session, wanted: Annotated[AuditFilter, Query()]
) -> Page[AuditEventView]:
    """Who did what, newest first."""
    found = await service.events(session, wanted)
    return Page.of(
        found, wanted.limit, key=lambda event: event.id, view=AuditEventView.model_validate
    )
