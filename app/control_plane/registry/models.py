"""Database tables: registered models, tokens, and registrations that are not finished."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now

# SQL of what lists are sorted by: the value of a model's primary metric, and its improvement. JSON
# has no number that is not finite, so that each can be converted.
PRIMARY_VALUE = "((metrics ->> primary_metric)::double precision)"
PRIMARY_IMPROVEMENT = "(((delta -> primary_metric) ->> 'improvement')::double precision)"


class Token(Base):
    """A token id, in upper case, and the tenant that holds it: only that one adds versions to it.

    tenant: None for a token id that is reserved for nobody.
    reserved: whether the operator has reserved it, so that it stays without any registration.
    """

    __tablename__ = "tokens"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str | None]
    # A default of the database, for gateways of the release before, which do not know the column.
    reserved: Mapped[bool] = mapped_column(server_default=false(), default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Model(Base):
    """A registered model: one model version in MLflow, and what its registration states about it.

    number: its position in lists. root: the id of the first baseline; path: the ids from that one
        to this model.
    mlflow_created_at: when MLflow created the version, in milliseconds since 1970-01-01 UTC. MLflow
        gives a name and number that have become free to another version, but not this time.
    gone_at: when the gateway noticed that MLflow no longer has the version.
    directions: by metric, each a `Direction`. metric_sources: by metric, each a `MetricSource`.
    evaluation: on a benchmark, as an attestation has it; None for a model without one.
    contributors: without their details, which are long and are in `contributions`.
    files: what is known of its files, a `FilesState`; the model_files package keeps it.
    JSON, not JSONB, keeps the members that callers wrote in their order.
    """

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("number"),
        # A withdrawn registration leaves its version free to be registered anew, and MLflow gives
        # the name and number of one that is gone to another.
        Index(
            "models_by_version",
            "tenant",
            "mlflow_name",
            "mlflow_version",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL AND gone_at IS NULL"),
        ),
        Index("models_by_root", "root", "number"),
        Index("models_by_type", "model_type", "number"),
        Index("models_by_name", "mlflow_name", "number"),
        Index("models_by_token", "token", "number"),
        Index("models_by_kind", "kind", "number"),
        Index("models_by_tenant", "tenant", "number"),
        Index("models_by_run", "run_id", "number"),
        Index("models_by_metric", "primary_metric", "number"),
        Index("models_by_value", "primary_metric", text(PRIMARY_VALUE), "number"),
        Index("models_by_improvement", "primary_metric", text(PRIMARY_IMPROVEMENT), "number"),
    )

    model_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    kind: Mapped[str]
    tenant: Mapped[str]
    principal: Mapped[str]
    private: Mapped[bool]
    mlflow_name: Mapped[str]
    mlflow_version: Mapped[str]
    mlflow_created_at: Mapped[int | None] = mapped_column(BigInteger)
    run_id: Mapped[str | None]
    model_uri: Mapped[str]
    model_type: Mapped[str | None]
    # SQLAlchemy's declarative classes reserve the attribute `metadata`.
    stated_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    metric_sources: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON)
    directions: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON)
    primary_metric: Mapped[str | None]
    baseline_model_id: Mapped[str | None] = mapped_column(ForeignKey("models.model_id"))
    root: Mapped[str]
    path: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    delta: Mapped[dict[str, Any]] = mapped_column(JSON)
    contributors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    token: Mapped[str | None] = mapped_column(ForeignKey("tokens.symbol"))
    token_id: Mapped[str | None]
    model_name: Mapped[str | None]
    metric_name: Mapped[str | None]
    baseline_value: Mapped[float | None]
    evaluation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    tags: Mapped[dict[str, str]] = mapped_column(JSON)
    warnings: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    # Defaults of the database, for gateways of the release before, which do not know the columns.
    files: Mapped[str] = mapped_column(server_default="pending", default="pending")
    share_files: Mapped[bool] = mapped_column(server_default=false(), default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]
    withdrawal_reason: Mapped[str | None]
    gone_at: Mapped[datetime | None]


class MetricObservation(Base):
    """What MLflow had of a registered model's metrics at a later time. See `observations`."""

    __tablename__ = "metric_observations"
    __table_args__ = (Index("metric_observations_by_model", "model_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.model_id"))
    run_id: Mapped[str]
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    principal: Mapped[str]
    at: Mapped[datetime]


class Registration(Base):
    """A registration in progress: from before MLflow is called until the model is recorded.

    operation: a unique id, which the version in MLflow has as a tag.
    principal, key: of the idempotent request that it belongs to.
    adopts: `name/version` of the version in MLflow that is registered; None where one is created.
    plan: the `Plan`, as JSON.
    in_doubt: whether a process may have requested a version from MLflow and not seen the response.
    version, settle_at: set when a registration that was in doubt ends. From `settle_at` on, other
        versions with its tag, which a late request may have created, are searched for and deleted.
    failures: how often a reconciler has met an internal error with it.
    given_up_at, failure: when and why no reconciler continues it any more.
    """

    __tablename__ = "registrations"
    __table_args__ = (
        UniqueConstraint("tenant", "adopts"),
        Index("registrations_by_settling", "settle_at"),
        Index("registrations_by_request", "principal", "key"),
    )

    operation: Mapped[str] = mapped_column(primary_key=True)
    principal: Mapped[str]
    key: Mapped[str]
    tenant: Mapped[str]
    adopts: Mapped[str | None]
    token: Mapped[str | None] = mapped_column(ForeignKey("tokens.symbol"))
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    in_doubt: Mapped[bool] = mapped_column(default=False)
    version: Mapped[str | None]
    settle_at: Mapped[datetime | None]
    # A default of the database, for gateways of the release before, which do not know the column.
    failures: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    given_up_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
