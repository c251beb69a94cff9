"""When an admin has disabled a tenant"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    # Every gateway reads their names when it starts.
    op.create_index(
        "tenants_disabled",
        "tenants",
        ["name"],
        postgresql_where=sa.text("disabled_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("tenants_disabled")
    op.drop_column("tenants", "disabled_at")
