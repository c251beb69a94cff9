"""Database tables: contributors and their contributions."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class Contributor(Base):
    """An Ethereum address, in EIP-55 form, that has contributed data."""

    __tablename__ = "contributors"

    address: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[datetime] = mapped_column(default=now)


class ContributorTotal(Base):
    """What one contributor gave, counted as it is recorded: reading it must not take longer with
    each row that names the address.

    audience: empty for what everybody may see, else the tenant that alone may see it.
    deltas: by metric, the sum of the models' improvements, a decimal number as text, and the number
        of these models; of at most `MAX_DELTAS` metrics.
    """

    __tablename__ = "contributor_totals"
    __table_args__ = (Index("contributor_totals_by_audience", "audience", "address"),)

    address: Mapped[str] = mapped_column(primary_key=True)
    audience: Mapped[str] = mapped_column(primary_key=True)
    contributions: Mapped[int] = mapped_column(BigInteger, default=0)
    models: Mapped[int] = mapped_column(BigInteger, default=0)
    attestations: Mapped[int] = mapped_column(BigInteger, default=0)
    data_size: Mapped[Decimal] = mapped_column(Numeric, default=0)
    deltas: Mapped[dict[str, tuple[str, int]]] = mapped_column(JSONB, default=dict)
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]


class Contribution(Base):
    """Data that a contributor gave for one improved model.

    tenant: the owner of the model. private: whether only that tenant may see it.
    model_number: the position of the model in lists.
    improvements: how much the model improves on its baseline, by metric; positive is better,
        whichever way the metric improves.
    withdrawn_at: when the registration of the model was withdrawn. It no longer counts.
    """

    __tablename__ = "contributions"
    __table_args__ = (
        UniqueConstraint("model_id", "address", "data_hash"),
        Index("contributions_by_address", "address", "id"),
        Index("contributions_by_address_and_model", "address", "model_number"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    model_id: Mapped[str]
    model_number: Mapped[int] = mapped_column(BigInteger)
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
    withdrawn_at: Mapped[datetime | None]
