"""The proofs of attestations of the kind `proven`"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("attestations", sa.Column("proof", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("attestations", "proof")
