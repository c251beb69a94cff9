"""Attestations and their append-only log"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

TABLES = ("attestations", "attestation_log", "attestation_log_nodes", "attestors")


def upgrade() -> None:
    op.create_table(
        "attestations",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("contributors", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("signature", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("eas", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sa.UniqueConstraint("principal", "request_key"),
    )
    op.create_index("attestations_by_model", "attestations", ["model_id"])
    op.create_index("attestations_by_run", "attestations", ["run_id"])
    op.create_index(
        "attestations_by_contributor", "attestations", ["contributors"], postgresql_using="gin"
    )
    op.create_table(
        "attestation_log",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("attestation", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attestation"], ["attestations.hash"]),
        sa.PrimaryKeyConstraint("index"),
    )
    op.create_index("attestation_log_by_attestation", "attestation_log", ["attestation"])
    op.create_table(
        "attestation_log_nodes",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index"),
    )
    op.create_table(
        "attestors",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("checkpoint_key", sa.String(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address"),
    )
    # Attestations are append-only, also for the gateway itself.
    for table in TABLES:
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only
            BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            """
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.drop_table("attestors")
    op.drop_table("attestation_log_nodes")
    op.drop_index("attestation_log_by_attestation", table_name="attestation_log")
    op.drop_table("attestation_log")
    op.drop_index("attestations_by_contributor", table_name="attestations")
    op.drop_index("attestations_by_run", table_name="attestations")
    op.drop_index("attestations_by_model", table_name="attestations")
    op.drop_table("attestations")
