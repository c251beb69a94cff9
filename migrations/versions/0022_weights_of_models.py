"""Find the models with the same weights"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_index(
        "model_files_by_weights",
        "model_files",
        ["weights"],
        postgresql_where=sa.text("witnessed_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("model_files_by_weights", "model_files")
