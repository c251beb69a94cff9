"""Versions that are gone, registrations that were given up, observations of metrics"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_BY_VERSION = ["tenant", "mlflow_name", "mlflow_version"]


def upgrade() -> None:
    op.add_column("models", sa.Column("mlflow_created_at", sa.BigInteger(), nullable=True))
    op.add_column("models", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("models_by_version", "models")
    op.create_index(
        "models_by_version",
        "models",
        _BY_VERSION,
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL AND gone_at IS NULL"),
    )
    op.create_index("models_by_run", "models", ["tenant", "run_id"])
    failures = sa.Column("failures", sa.Integer(), nullable=False, server_default="0")
    op.add_column("registrations", failures)
    op.add_column("registrations", sa.Column("given_up_at", sa.DateTime(timezone=True)))
    op.add_column("registrations", sa.Column("failure", sa.String(), nullable=True))
    op.create_table(
        "metric_observations",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("metrics", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("metric_observations_by_model", "metric_observations", ["model_id", "number"])


def downgrade() -> None:
    op.drop_table("metric_observations")
    for name in ("failure", "given_up_at", "failures"):
        op.drop_column("registrations", name)
    op.drop_index("models_by_run", "models")
    op.drop_index("models_by_version", "models")
    op.create_index(
        "models_by_version",
        "models",
        _BY_VERSION,
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    for name in ("gone_at", "mlflow_created_at"):
        op.drop_column("models", name)
