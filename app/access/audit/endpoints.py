"""The audit log over HTTP, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access.audit import service
from app.access.audit.schemas import AuditEventView, AuditFilter
from app.rest.dependencies import Admin, Session
from app.rest.pagination import Page, encode_cursor

router = APIRouter(prefix="/api", tags=["admin"])


@router.get("/admin/audit")
async def list_events(
    _: Admin, session: Session, wanted: Annotated[AuditFilter, Query()]
) -> Page[AuditEventView]:
    """Who did what, newest first."""
    found = await service.events(session, wanted)
    shown = [AuditEventView.model_validate(event) for event in found[: wanted.limit]]
    more = encode_cursor(str(shown[-1].id)) if len(found) > wanted.limit else None
    return Page(items=shown, next=more)
