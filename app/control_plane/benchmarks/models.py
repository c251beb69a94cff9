"""Database tables: benchmarks, commitments to predictions on them, and releases of labels.

Triggers in the database refuse every UPDATE, DELETE and TRUNCATE on them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class Benchmark(Base):
    """A test set with its metric, and a commitment to its labels.

    number: its position in lists.
    request_key, request_hash: the identity of the request, so that a repetition gets the same
        benchmark.
    record: the canonical JSON of what was stated; record_sha256, which the log has: its SHA-256.
    log_index: of its entry in the log.
    """

    __tablename__ = "benchmarks"
    __table_args__ = (
        UniqueConstraint("number"),
        UniqueConstraint("principal", "request_key"),
        UniqueConstraint("log_index"),
        Index("benchmarks_by_dataset", "dataset_hash", "number"),
        Index("benchmarks_by_name", "name", "number"),
        Index("benchmarks_by_tenant", "tenant", "number"),
        Index("benchmarks_by_metric", "metric", "number"),
        Index("benchmarks_by_label_commitment", "label_commitment"),
    )

    benchmark_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    tenant: Mapped[str]
    principal: Mapped[str]
    request_key: Mapped[str]
    request_hash: Mapped[str]
    private: Mapped[bool]
    name: Mapped[str]
    dataset_hash: Mapped[str]
    dataset_version: Mapped[str]
    split: Mapped[str]
    rows: Mapped[int] = mapped_column(BigInteger)
    metric: Mapped[str]
    metric_family: Mapped[str]
    higher_is_better: Mapped[bool]
    guardrails: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    min_examples: Mapped[int] = mapped_column(BigInteger)
    label_commitment: Mapped[str]
    label_holder: Mapped[str]
    record: Mapped[str]
    record_sha256: Mapped[str]
    log_index: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class PredictionCommitment(Base):
    """A commitment to the predictions of one model on one benchmark: one for ever.

    private: whether only its tenant may see it.
    files: the digests of the model's files; None where the gateway has none. weights: the one of
        them that leaves out what registering a model anew changes.
    record, record_sha256, log_index: as a `Benchmark` has them.
    """

    __tablename__ = "prediction_commitments"
    __table_args__ = (
        UniqueConstraint("number"),
        UniqueConstraint("benchmark_id", "model_id"),
        UniqueConstraint("log_index"),
        Index("prediction_commitments_by_benchmark", "benchmark_id", "number"),
        Index("prediction_commitments_by_commitment", "benchmark_id", "commitment"),
        Index("prediction_commitments_by_tenant", "benchmark_id", "tenant", "number"),
        Index("prediction_commitments_by_model", "model_id", "number"),
    )

    predictions_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    benchmark_id: Mapped[str] = mapped_column(ForeignKey("benchmarks.benchmark_id"))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.model_id"))
    tenant: Mapped[str]
    principal: Mapped[str]
    private: Mapped[bool]
    commitment: Mapped[str]
    files: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    weights: Mapped[str | None]
    record: Mapped[str]
    record_sha256: Mapped[str]
    log_index: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class LabelRelease(Base):
    """The labels of a benchmark have left their holder: no predictions are committed any more."""

    __tablename__ = "label_releases"

    benchmark_id: Mapped[str] = mapped_column(
        ForeignKey("benchmarks.benchmark_id"), primary_key=True
    )
    principal: Mapped[str]
    log_index: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(default=now)
