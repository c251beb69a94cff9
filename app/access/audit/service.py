"""Writes and reads the audit log."""

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
    """Add an entry to the transaction of the change, so that both are committed or neither.

    action, subject, details: see `AuditEvent`.
    """
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


async def list_events(session: AsyncSession, query: AuditFilter) -> Sequence[AuditEvent]:
    """The matching entries, newest first; one more than `query.limit` if there are more."""
    statement = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(query.limit + 1)
    for column in ("actor", "action", "subject", "tenant"):
        value = getattr(query, column)
        if value is not None:
            statement = statement.where(getattr(AuditEvent, column) == value)
    if query.since is not None:
        statement = statement.where(AuditEvent.at >= query.since)
    if query.until is not None:
        statement = statement.where(AuditEvent.at < query.until)
    before = query.before
    if before is not None:
        statement = statement.where(AuditEvent.id < before)
    return (await session.scalars(statement)).all()
