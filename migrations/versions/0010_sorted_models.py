"""Lists of models by their primary metric, its value, and its improvement"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    value = sa.text("((metrics ->> primary_metric)::double precision)")
    improvement = sa.text("(((delta -> primary_metric) ->> 'improvement')::double precision)")
    op.create_index("models_by_metric", "models", ["primary_metric", "number"])
    op.create_index("models_by_value", "models", ["primary_metric", value, "number"])
    op.create_index("models_by_improvement", "models", ["primary_metric", improvement, "number"])


def downgrade() -> None:
    for name in ("models_by_improvement", "models_by_value", "models_by_metric"):
        op.drop_index(name)
