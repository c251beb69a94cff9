"""The public keys that have signed envelopes"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "envelope_keys",
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("attestor", sa.String(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attestor"], ["attestors.address"]),
        sa.PrimaryKeyConstraint("public_key"),
    )
    op.execute(
        """
        CREATE TRIGGER envelope_keys_append_only
        BEFORE UPDATE OR DELETE OR TRUNCATE ON envelope_keys
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER envelope_keys_append_only ON envelope_keys")
    op.drop_table("envelope_keys")
