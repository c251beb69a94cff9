"""Writing and reading the audit log."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.models import AuditEvent
from app.access.audit.schemas import AuditFilter
from app.core.request.actor import Actor


def record(
    session: AsyncSession,
    actor: Actor,
    action: str,
    subject: str,
    tenant: str | None = None,
    **details: Any,
) -> None:
    """Add an event to the act's own transaction: both are written, or neither."""
    session.add(
        AuditEvent(
            actor=actor.principal,
            action=action,
            subject=subject,
            tenant=tenant,
            request_id=actor.request_id,
            client=actor.client,
            details=details,
        )
    )


async def events(session: AsyncSession, wanted: AuditFilter) -> Sequence[AuditEvent]:
    """The events that match, newest first, one more than `limit` where there are more."""
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(wanted.limit + 1)
    for column in ("actor", "action", "subject", "tenant"):
        value = getattr(wanted, column)
        if value is not None:
            query = query.where(getattr(AuditEvent, column) == value)
    if wanted.since is not None:
        query = query.where(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEvent.at < wanted.until)
    before = wanted.before
    if before is not None:
        query = query.where(AuditEvent.id < before)
    return (await session.scalars(query)).all()
