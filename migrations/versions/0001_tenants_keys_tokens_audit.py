"""Tenants, keys, tokens, audit"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_events_by_actor", "audit_events", ["actor", "id"], unique=False)
    op.create_index("audit_events_by_subject", "audit_events", ["subject", "id"], unique=False)
    op.create_index("audit_events_by_tenant", "audit_events", ["tenant", "id"], unique=False)
    op.create_table(
        "nonces",
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("value"),
    )
    op.create_index("nonces_by_expiry", "nonces", ["expires_at"], unique=False)
    op.create_table(
        "pepper_fingerprints",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "spent_signatures",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address", "digest"),
    )
    op.create_index("spent_signatures_by_expiry", "spent_signatures", ["expires_at"], unique=False)
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("default_experiment", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("workspace"),
    )
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pepper_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"],
            ["tenants.name"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("access_tokens_by_expiry", "access_tokens", ["expires_at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pepper_version", sa.Integer(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("rate_limit", sa.Integer(), nullable=True),
        sa.Column("allowed_networks", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("successor", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent"],
            ["api_keys.id"],
        ),
        sa.ForeignKeyConstraint(
            ["successor"],
            ["api_keys.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tenant"],
            ["tenants.name"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("api_keys_by_parent", "api_keys", ["parent"], unique=False)
    op.create_index("api_keys_by_principal", "api_keys", ["principal"], unique=False)
    op.create_index("api_keys_by_tenant", "api_keys", ["tenant"], unique=False)
    # The audit log is append-only, also for the gateway itself.
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% rows are never changed or removed', TG_TABLE_NAME;
        END $$;
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_events_append_only
        BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_index("api_keys_by_tenant", table_name="api_keys")
    op.drop_index("api_keys_by_principal", table_name="api_keys")
    op.drop_index("api_keys_by_parent", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index("access_tokens_by_expiry", table_name="access_tokens")
    op.drop_table("access_tokens")
    op.drop_table("tenants")
    op.drop_index("spent_signatures_by_expiry", table_name="spent_signatures")
    op.drop_table("spent_signatures")
    op.drop_table("pepper_fingerprints")
    op.drop_index("nonces_by_expiry", table_name="nonces")
    op.drop_table("nonces")
    op.drop_index("audit_events_by_tenant", table_name="audit_events")
    op.drop_index("audit_events_by_subject", table_name="audit_events")
    op.drop_index("audit_events_by_actor", table_name="audit_events")
    op.drop_table("audit_events")
