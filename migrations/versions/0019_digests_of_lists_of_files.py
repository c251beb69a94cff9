"""The digests of lists of files, which bind the paths"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("model_files", sa.Column("list_sha256", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("model_files", "list_sha256")
