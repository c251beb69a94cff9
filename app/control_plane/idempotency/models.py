"""The table of requests that change something once, however often they are sent."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class IdempotentRequest(Base):
    """One request of one principal, and what came of it.

    key: from the header Idempotency-Key, or from the request itself.
    request_hash: SHA-256 of what was asked, so that a key stands for one request only.
    holder, lease_until: who works on it, and until when nobody else may; None once it is done.
    answer: kept as JSON, not JSONB, so that a replay is the first answer to the byte.
    """

    __tablename__ = "idempotent_requests"
    __table_args__ = (
        Index(
            "idempotent_requests_by_lease",
            "lease_until",
            postgresql_where="lease_until IS NOT NULL",
        ),
    )

    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    status: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now)
