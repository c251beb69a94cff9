"""Keep the ETags of the files of models, and find benchmarks by their commitments to labels"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("model_files", sa.Column("versions", postgresql.JSONB(), nullable=True))
    op.create_index("benchmarks_by_label_commitment", "benchmarks", ["label_commitment"])


def downgrade() -> None:
    op.drop_index("benchmarks_by_label_commitment", "benchmarks")
    op.drop_column("model_files", "versions")
