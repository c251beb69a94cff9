"""Entries of the log that are not about an attestation, and witnesses of the log"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

CHECK = "attestation_log_about"


def upgrade() -> None:
    op.alter_column("attestation_log", "attestation", existing_type=sa.String(), nullable=True)
    op.create_check_constraint(
        CHECK, "attestation_log", "(kind IN ('attested', 'revoked')) = (attestation IS NOT NULL)"
    )
    op.create_table(
        "log_witnesses",
        sa.Column("witness", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=True),
        sa.Column("line", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("witness"),
    )


def downgrade() -> None:
    op.drop_table("log_witnesses")
    op.drop_constraint(CHECK, "attestation_log")
    op.alter_column("attestation_log", "attestation", existing_type=sa.String(), nullable=False)
