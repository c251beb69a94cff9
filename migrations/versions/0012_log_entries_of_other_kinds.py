"""Entries of the log that are not about an attestation"""

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


def downgrade() -> None:
    op.drop_constraint(CHECK, "attestation_log")
    op.alter_column("attestation_log", "attestation", existing_type=sa.String(), nullable=False)
