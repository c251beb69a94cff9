"""Reserved token ids, model numbers on the chain, approvals, mint requests"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.alter_column("tokens", "tenant", existing_type=sa.String(), nullable=True)
    op.add_column(
        "tokens", sa.Column("reserved", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "token_bindings",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("chain_model_id", sa.String(), nullable=False),
        sa.Column("chain_token", sa.String(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bound_by", sa.String(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["symbol"], ["tokens.symbol"]),
        sa.PrimaryKeyConstraint("symbol"),
        sa.UniqueConstraint("chain_model_id"),
    )
    op.create_table(
        "mint_approvals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("contributor", sa.String(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_by", sa.String(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("num_nonnulls(model_id, contributor) = 1", name="approves_one"),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"]),
        sa.ForeignKeyConstraint(["symbol"], ["tokens.symbol"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("mint_approvals_by_tenant", "mint_approvals", ["tenant", "id"])
    for column in ("model_id", "contributor"):
        op.create_index(
            f"mint_approvals_by_{column}",
            "mint_approvals",
            ["symbol", "tenant", column],
            unique=True,
            postgresql_where=sa.text(f"withdrawn_at IS NULL AND {column} IS NOT NULL"),
        )
    op.create_table(
        "mint_requests",
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("candidate_commitment", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("chain_model_id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("attestation", sa.String(), nullable=False),
        sa.Column("typed_data", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attestation"], ["attestations.hash"]),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"]),
        sa.ForeignKeyConstraint(["symbol"], ["tokens.symbol"]),
        sa.PrimaryKeyConstraint("idempotency_key"),
        sa.UniqueConstraint("candidate_commitment", "metric"),
    )


def downgrade() -> None:
    op.drop_table("mint_requests")
    op.drop_table("mint_approvals")
    op.drop_table("token_bindings")
    op.execute("DELETE FROM tokens WHERE tenant IS NULL")
    op.drop_column("tokens", "reserved")
    op.alter_column("tokens", "tenant", existing_type=sa.String(), nullable=False)
