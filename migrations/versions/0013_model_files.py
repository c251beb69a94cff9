"""The files of models"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # Defaults for gateways of the release before, which register models during an upgrade.
    op.add_column(
        "models", sa.Column("files", sa.String(), nullable=False, server_default="pending")
    )
    op.add_column(
        "models", sa.Column("share_files", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "model_files",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("listed", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("read", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("oms_root", sa.String(), nullable=True),
        sa.Column("weights", sa.String(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("witnessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"]),
        sa.PrimaryKeyConstraint("model_id"),
    )
    op.create_index(
        "model_files_due",
        "model_files",
        ["tenant", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("model_files")
    op.drop_column("models", "share_files")
    op.drop_column("models", "files")
