"""Database tables: model numbers of tokens, approvals by their holders, and mint requests."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class TokenBinding(Base):
    """The model number on the chain that the operator has bound to a token id.

    symbol: the token id, in upper case.
    chain_model_id: a number of up to 256 bits, in decimal.
    chain_token, checked_at: the token's address, and when the chain's registry named it; None where
        no node was configured to ask.
    bound_by: a principal's id, or `cli`.
    """

    __tablename__ = "token_bindings"

    symbol: Mapped[str] = mapped_column(ForeignKey("tokens.symbol"), primary_key=True)
    chain_model_id: Mapped[str] = mapped_column(unique=True)
    chain_token: Mapped[str | None]
    checked_at: Mapped[datetime | None]
    bound_by: Mapped[str]
    bound_at: Mapped[datetime] = mapped_column(default=now)


def _in_force(column: str) -> Index:
    """Of the approvals of one thing by one tenant, one is in force."""
    return Index(
        f"mint_approvals_by_{column}",
        "symbol",
        "tenant",
        column,
        unique=True,
        postgresql_where=f"withdrawn_at IS NULL AND {column} IS NOT NULL",
    )


class MintApproval(Base):
    """The holder of a token approves that improvements by others are minted.

    tenant: the holder, when it approved; the approval counts while that tenant holds the token.
    model_id, contributor: what it approves, one of the two: an improvement, or an address (EIP-55)
        of a contributor.
    created_by, withdrawn_by: principals' ids.
    """

    __tablename__ = "mint_approvals"
    __table_args__ = (
        CheckConstraint("num_nonnulls(model_id, contributor) = 1", name="approves_one"),
        Index("mint_approvals_by_tenant", "tenant", "id"),
        _in_force("model_id"),
        _in_force("contributor"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    symbol: Mapped[str] = mapped_column(ForeignKey("tokens.symbol"))
    tenant: Mapped[str]
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.model_id"))
    contributor: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_by: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]


class MintRequest(Base):
    """The mint request of one improvement: the one that was signed last.

    number: its position in lists, and its id.
    idempotency_key: of the message; the improvement keeps it, however often it is signed.
    run_id, candidate_commitment, metric: of the message; one run, and one set of files, is minted
        once: by one metric, for one model number (`chain_model_id`) and over one baseline
        (`baseline_commitment`).
    tenant, model_id: the improvement's owner and its id in the registry.
    attestation: the hash of the attestation that the message names.
    typed_data: the message, as the response shows it. digest: what was signed.
    signatures: by ascending address, each with `signer` and `signature`.
    deadline: until when the contract accepts it; a new one is signed only after that.
    """

    __tablename__ = "mint_requests"
    __table_args__ = (
        UniqueConstraint("candidate_commitment", "metric"),
        UniqueConstraint("run_id", "metric"),
        UniqueConstraint("number"),
        Index("mint_requests_by_tenant", "tenant", "number"),
        Index("mint_requests_by_symbol", "symbol", "number"),
    )

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    idempotency_key: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str]
    baseline_commitment: Mapped[str]
    candidate_commitment: Mapped[str]
    metric: Mapped[str]
    symbol: Mapped[str] = mapped_column(ForeignKey("tokens.symbol"))
    chain_model_id: Mapped[str]
    tenant: Mapped[str]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.model_id"))
    attestation: Mapped[str] = mapped_column(ForeignKey("attestations.hash"))
    typed_data: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str]
    signatures: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now)
    signed_at: Mapped[datetime]
    deadline: Mapped[datetime]
