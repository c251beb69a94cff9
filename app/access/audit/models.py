"""The audit log's table. The database itself refuses UPDATE and DELETE on it."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class AuditEvent(Base):
    """Who did what to whom, when, from where."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("audit_events_by_tenant", "tenant", "id"),
        Index("audit_events_by_actor", "actor", "id"),
        Index("audit_events_by_subject", "subject", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    tenant: Mapped[str | None]
    request_id: Mapped[str | None]
    client: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
