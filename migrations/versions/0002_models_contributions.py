"""Idempotent requests, models, contributors"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "idempotent_requests",
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key"),
    )
    op.create_index(
        "idempotent_requests_by_lease",
        "idempotent_requests",
        ["lease_until"],
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_table(
        "tokens",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_table(
        "models",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("mlflow_name", sa.String(), nullable=False),
        sa.Column("mlflow_version", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("model_uri", sa.String(), nullable=False),
        sa.Column("model_type", sa.String(), nullable=True),
        sa.Column("metadata", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("metrics", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("higher_is_better", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("primary_metric", sa.String(), nullable=True),
        sa.Column("baseline_model_id", sa.String(), nullable=True),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("path", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("delta", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("contributors", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("token", sa.String(), nullable=True),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("model_name", sa.String(), nullable=True),
        sa.Column("metric_name", sa.String(), nullable=True),
        sa.Column("baseline_value", sa.Float(), nullable=True),
        sa.Column("tags", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("warnings", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["baseline_model_id"], ["models.model_id"]),
        sa.ForeignKeyConstraint(["token"], ["tokens.symbol"]),
        sa.PrimaryKeyConstraint("model_id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("tenant", "mlflow_name", "mlflow_version"),
    )
    op.create_index("models_by_root", "models", ["root", "number"])
    op.create_index("models_by_type", "models", ["model_type", "number"])
    op.create_index("models_by_name", "models", ["mlflow_name", "number"])
    op.create_index("models_by_token", "models", ["token", "number"])
    op.create_index(
        "models_by_contributor",
        "models",
        ["contributors"],
        postgresql_using="gin",
        postgresql_ops={"contributors": "jsonb_path_ops"},
    )
    op.create_table(
        "registrations",
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("adopts", sa.String(), nullable=True),
        sa.Column("token", sa.String(), nullable=True),
        sa.Column("plan", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("settle_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["token"], ["tokens.symbol"]),
        sa.PrimaryKeyConstraint("operation"),
        sa.UniqueConstraint("tenant", "adopts"),
    )
    op.create_index("registrations_by_settling", "registrations", ["settle_at"])
    op.create_index("registrations_by_request", "registrations", ["principal", "key"])
    op.create_table(
        "contributors",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address"),
    )
    op.create_table(
        "contributions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("baseline_model_id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("weight_bps", sa.Integer(), nullable=False),
        sa.Column("data_size", sa.BigInteger(), nullable=True),
        sa.Column("data_hash", sa.String(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("improvements", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["address"], ["contributors.address"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model_id", "address", "data_hash"),
    )
    op.create_index("contributions_by_address", "contributions", ["address", "id"])


def downgrade() -> None:
    for table in (
        "contributions",
        "contributors",
        "registrations",
        "models",
        "tokens",
        "idempotent_requests",
    ):
        op.drop_table(table)
