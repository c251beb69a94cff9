"""Database tables: contributors and their contributions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class Contributor(Base):
    """An Ethereum address, in EIP-55 form, that has contributed data."""

    __tablename__ = "contributors"

    address: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[datetime] = mapped_column(default=now)


class Contribution(Base):
    """Data that a contributor gave for one improved model.

    tenant: the owner of the model. private: whether only that tenant may see it.
    improvements: how much the model improves on its baseline, by metric; positive is better,
        whichever way the metric improves.
    """

    __tablename__ = "contributions"
    __table_args__ = (
        UniqueConstraint("model_id", "address", "data_hash"),
        Index("contributions_by_address", "address", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    model_id: Mapped[str]
    baseline_model_id: Mapped[str]
    tenant: Mapped[str]
    private: Mapped[bool]
    address: Mapped[str] = mapped_column(ForeignKey("contributors.address"))
    weight_bps: Mapped[int]
    data_size: Mapped[int | None] = mapped_column(BigInteger)
    # Empty for a contribution without a hash: the unique constraint would not compare NULLs.
    data_hash: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    improvements: Mapped[dict[str, float]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(default=now)
