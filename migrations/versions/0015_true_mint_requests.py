"""Mint requests of runs and files, with the signatures of several attestors"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    # All of them are drafts: the commitments are not those of files, so that no contract accepts
    # them. The audit log keeps what was signed. A gateway that signs drafts signs none on this
    # schema.
    op.execute("DELETE FROM mint_requests")
    for name in ("run_id", "baseline_commitment"):
        op.add_column("mint_requests", sa.Column(name, sa.String(), nullable=False))
    op.add_column("mint_requests", sa.Column("signatures", sa.JSON(), nullable=False))
    op.create_unique_constraint(
        "mint_requests_run_id_metric_key", "mint_requests", ["run_id", "metric"]
    )
    op.drop_column("mint_requests", "signature")
    op.drop_column("mint_requests", "signer")


def downgrade() -> None:
    op.execute("DELETE FROM mint_requests")
    for name in ("signature", "signer"):
        op.add_column("mint_requests", sa.Column(name, sa.String(), nullable=False))
    op.drop_constraint("mint_requests_run_id_metric_key", "mint_requests")
    for name in ("signatures", "run_id", "baseline_commitment"):
        op.drop_column("mint_requests", name)
