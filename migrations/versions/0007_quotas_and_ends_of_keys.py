"""Quotas of tenants, keys that create no keys, and indexes for removing what has ended"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# How many rows each tenant has of what counts on a quota.
COUNTS = """
INSERT INTO tenant_quotas (tenant, kind, used)
SELECT tenant, 'keys', count(*) FROM api_keys GROUP BY tenant
UNION ALL SELECT tenant, 'tokens', count(*) FROM access_tokens GROUP BY tenant
UNION ALL SELECT tenant, 'models', count(*) FROM models GROUP BY tenant
UNION ALL SELECT tenant, 'contributions', count(*) FROM contributions GROUP BY tenant
UNION ALL SELECT tenant, 'attestations', count(*) FROM attestations GROUP BY tenant
"""


def upgrade() -> None:
    op.create_table(
        "tenant_quotas",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("quota", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "kind"),
    )
    op.execute(COUNTS)
    op.add_column(
        "api_keys",
        sa.Column("may_issue", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    op.create_index("api_keys_by_successor", "api_keys", ["successor"])
    op.create_index("api_keys_by_end", "api_keys", [sa.text("least(revoked_at, expires_at)")])
    op.create_index("access_tokens_by_principal", "access_tokens", ["principal"])
    op.create_index("idempotent_requests_by_creation", "idempotent_requests", ["created_at"])


def downgrade() -> None:
    op.drop_index("idempotent_requests_by_creation", "idempotent_requests")
    op.drop_index("access_tokens_by_principal", "access_tokens")
    op.drop_index("api_keys_by_end", "api_keys")
    op.drop_index("api_keys_by_successor", "api_keys")
    op.drop_column("api_keys", "may_issue")
    op.drop_table("tenant_quotas")
