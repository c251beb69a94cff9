"""Directions with their sources, the sources of metrics, withdrawn models"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

_SAID = """
    UPDATE models SET directions = coalesce(
        (SELECT json_object_agg(key, json_build_object('higher_is_better', value::text::boolean,
                                                       'source', 'said'))
         FROM json_each(higher_is_better)),
        '{}')
"""
_STATED = """
    UPDATE models SET higher_is_better = coalesce(
        (SELECT json_object_agg(key, value -> 'higher_is_better')
         FROM json_each(directions) WHERE value ->> 'source' = 'said'),
        '{}')
"""


def upgrade() -> None:
    json = postgresql.JSON(astext_type=sa.Text())
    for name in ("metric_sources", "directions"):
        op.add_column("models", sa.Column(name, json, nullable=False, server_default="{}"))
    op.execute(_SAID)
    for name in ("metric_sources", "directions"):
        op.alter_column("models", name, server_default=None)
    op.drop_column("models", "higher_is_better")
    op.add_column("models", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("models", sa.Column("withdrawal_reason", sa.String(), nullable=True))
    op.add_column(
        "contributions", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.drop_constraint("models_tenant_mlflow_name_mlflow_version_key", "models")
    op.create_index(
        "models_by_version",
        "models",
        ["tenant", "mlflow_name", "mlflow_version"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_column("contributions", "withdrawn_at")
    op.drop_index("models_by_version", "models")
    op.create_unique_constraint(
        "models_tenant_mlflow_name_mlflow_version_key",
        "models",
        ["tenant", "mlflow_name", "mlflow_version"],
    )
    for name in ("withdrawal_reason", "withdrawn_at"):
        op.drop_column("models", name)
    json = postgresql.JSON(astext_type=sa.Text())
    op.add_column(
        "models", sa.Column("higher_is_better", json, nullable=False, server_default="{}")
    )
    op.execute(_STATED)
    op.alter_column("models", "higher_is_better", server_default=None)
    for name in ("directions", "metric_sources"):
        op.drop_column("models", name)
