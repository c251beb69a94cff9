"""Which limit ended the reading of a model's files"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("model_files", sa.Column("limited_by", sa.String(), nullable=True))
    op.add_column("model_files", sa.Column("limit_was", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("model_files", "limit_was")
    op.drop_column("model_files", "limited_by")
