"""Benchmarks, commitments to predictions, releases of labels, and evaluations of models"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

# Statements about benchmarks are append-only, also for the gateway itself.
TABLES = ("benchmarks", "prediction_commitments", "label_releases")


def upgrade() -> None:
    op.create_table(
        "benchmarks",
        sa.Column("benchmark_id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("dataset_hash", sa.String(), nullable=False),
        sa.Column("dataset_version", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("metric_family", sa.String(), nullable=False),
        sa.Column("higher_is_better", sa.Boolean(), nullable=False),
        sa.Column("guardrails", postgresql.JSON(), nullable=False),
        sa.Column("min_examples", sa.BigInteger(), nullable=False),
        sa.Column("label_commitment", sa.String(), nullable=False),
        sa.Column("label_holder", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("record_sha256", sa.String(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("benchmark_id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("principal", "request_key"),
        sa.UniqueConstraint("log_index"),
    )
    for name in ("tenant", "name", "metric"):
        op.create_index(f"benchmarks_by_{name}", "benchmarks", [name, "number"])
    op.create_index("benchmarks_by_dataset", "benchmarks", ["dataset_hash", "number"])
    op.create_table(
        "prediction_commitments",
        sa.Column("predictions_id", sa.String(), nullable=False),
        sa.Column("benchmark_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("commitment", sa.String(), nullable=False),
        sa.Column("files", postgresql.JSON(), nullable=True),
        sa.Column("weights", sa.String(), nullable=True),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("record_sha256", sa.String(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["benchmark_id"], ["benchmarks.benchmark_id"]),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"]),
        sa.PrimaryKeyConstraint("predictions_id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("benchmark_id", "model_id"),
        sa.UniqueConstraint("log_index"),
    )
    for name, columns in (
        ("benchmark", ["benchmark_id", "number"]),
        ("commitment", ["benchmark_id", "commitment"]),
        ("tenant", ["benchmark_id", "tenant", "number"]),
        ("model", ["model_id", "number"]),
    ):
        op.create_index(f"prediction_commitments_by_{name}", "prediction_commitments", columns)
    op.create_table(
        "label_releases",
        sa.Column("benchmark_id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["benchmark_id"], ["benchmarks.benchmark_id"]),
        sa.PrimaryKeyConstraint("benchmark_id"),
    )
    for table in TABLES:
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only
            BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            """
        )
    op.add_column("models", sa.Column("evaluation", postgresql.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("models", "evaluation")
    for table in reversed(TABLES):
        op.drop_table(table)
