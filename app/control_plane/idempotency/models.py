"""Database table: requests that take effect once, however often they are sent."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class IdempotentRequest(Base):
    """One request of one principal: in progress, or done with its response.

    key: made from the header Idempotency-Key, or from the request itself (see `identify`).
    request_hash: SHA-256 of the request, which tells whether a key is used for another request.
    holder, lease_until: which process works on the request, and until when no other may take it
        over; both are None once the request is done.
    status, response: what was responded. JSON, not JSONB, so that a replay has the same bytes.
    """

    __tablename__ = "idempotent_requests"
    __table_args__ = (
        Index(
            "idempotent_requests_by_lease",
            "lease_until",
            postgresql_where="lease_until IS NOT NULL",
        ),
        Index("idempotent_requests_by_creation", "created_at"),
    )

    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    status: Mapped[int | None]
    response: Mapped[dict[str, Any] | None] = mapped_column("answer", JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now)
