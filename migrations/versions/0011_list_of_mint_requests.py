"""A number for each mint request, and indexes for their lists"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "mint_requests",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    )
    op.create_unique_constraint("mint_requests_number_key", "mint_requests", ["number"])
    op.create_index("mint_requests_by_tenant", "mint_requests", ["tenant", "number"])
    op.create_index("mint_requests_by_symbol", "mint_requests", ["symbol", "number"])


def downgrade() -> None:
    op.drop_index("mint_requests_by_symbol")
    op.drop_index("mint_requests_by_tenant")
    op.drop_constraint("mint_requests_number_key", "mint_requests")
    op.drop_column("mint_requests", "number")
