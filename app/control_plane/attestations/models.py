"""Database tables: attestations, and the keys that signed them.

Triggers in the database refuse every UPDATE, DELETE and TRUNCATE on them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class Attestation(Base):
    """One attestation.

    number: its position in lists.
    hash: SHA-256 of `text`, 64 hexadecimal digits. text: the data in its canonical form.
    request_key, request_hash: the identity of the request, so that a repetition gets the same
        attestation.
    model_id, run_id: of the improved model, or of the only one.
    proof: the proof of the counts in its canonical form, of the kind `proven`.
    """

    __tablename__ = "attestations"
    __table_args__ = (
        UniqueConstraint("principal", "request_key"),
        UniqueConstraint("number"),
        Index("attestations_by_model", "model_id", "number"),
        Index("attestations_by_run", "run_id", "number"),
        Index("attestations_by_tenant", "tenant", "number"),
        Index("attestations_by_kind", "kind", "number"),
    )

    hash: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    text: Mapped[str]
    kind: Mapped[str]
    tenant: Mapped[str]
    private: Mapped[bool]
    principal: Mapped[str]
    request_key: Mapped[str]
    request_hash: Mapped[str]
    model_id: Mapped[str | None]
    run_id: Mapped[str | None]
    contributors: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    signature: Mapped[dict[str, Any]] = mapped_column(JSONB)
    eas: Mapped[dict[str, Any]] = mapped_column(JSONB)
    proof: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class AttestedContributor(Base):
    """An address that an attestation names. number: of the attestation."""

    __tablename__ = "attested_contributors"

    address: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(
        ForeignKey("attestations.number"), primary_key=True, autoincrement=False
    )


class KnownAttestor(Base):
    """A key that has signed for this database, including the one in use."""

    __tablename__ = "attestors"

    address: Mapped[str] = mapped_column(primary_key=True)
    checkpoint_key: Mapped[str]
    first_at: Mapped[datetime] = mapped_column(default=now)


class KnownEnvelopeKey(Base):
    """A public key that has signed envelopes for this database, including the one in use.

    public_key: in PEM. attestor: the address of the key that it was derived from.
    """

    __tablename__ = "envelope_keys"

    public_key: Mapped[str] = mapped_column(primary_key=True)
    attestor: Mapped[str] = mapped_column(ForeignKey("attestors.address"))
    first_at: Mapped[datetime] = mapped_column(default=now)
