"""Keep the ETags of the files of models"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("model_files", sa.Column("versions", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("model_files", "versions")
