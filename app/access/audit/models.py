"""The table of the audit log. A trigger of the database refuses UPDATE, DELETE and TRUNCATE."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class AuditEvent(Base):
    """One change: who made it, when, from where, and to what.

    actor: the principal's id, `cli` or `anonymous`. action: such as `key.created`.
    subject: the id of the key, token, tenant or model that was changed.
    request_id, client: see `Actor`. details: further facts, depending on the action.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("audit_events_by_time", "at", "id"),
        Index("audit_events_by_tenant", "tenant", "at", "id"),
        Index("audit_events_by_actor", "actor", "at", "id"),
        Index("audit_events_by_subject", "subject", "at", "id"),
        Index("audit_events_by_action", "action", "at", "id"),
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
