"""Lists that stay fast: an index for each filter, counts of what contributors gave"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

# Each replaces an index of the same name, or is new. The first columns are those of a filter, the
# last ones the order of the list.
INDEXES = {
    "audit_events_by_time": ("audit_events", ["at", "id"]),
    "audit_events_by_tenant": ("audit_events", ["tenant", "at", "id"]),
    "audit_events_by_actor": ("audit_events", ["actor", "at", "id"]),
    "audit_events_by_subject": ("audit_events", ["subject", "at", "id"]),
    "audit_events_by_action": ("audit_events", ["action", "at", "id"]),
    "api_keys_by_principal": ("api_keys", ["principal", "id"]),
    "api_keys_by_tenant": ("api_keys", ["tenant", "id"]),
    "models_by_kind": ("models", ["kind", "number"]),
    "models_by_tenant": ("models", ["tenant", "number"]),
    "models_by_run": ("models", ["run_id", "number"]),
    "attestations_by_model": ("attestations", ["model_id", "number"]),
    "attestations_by_run": ("attestations", ["run_id", "number"]),
    "attestations_by_tenant": ("attestations", ["tenant", "number"]),
    "attestations_by_kind": ("attestations", ["kind", "number"]),
    "contributions_by_address_and_model": ("contributions", ["address", "model_number"]),
    "contributor_totals_by_audience": ("contributor_totals", ["audience", "address"]),
}
# Those of an earlier revision: table and columns.
BEFORE = {
    "audit_events_by_tenant": ("audit_events", ["tenant", "id"]),
    "audit_events_by_actor": ("audit_events", ["actor", "id"]),
    "audit_events_by_subject": ("audit_events", ["subject", "id"]),
    "api_keys_by_principal": ("api_keys", ["principal"]),
    "api_keys_by_tenant": ("api_keys", ["tenant"]),
    "models_by_run": ("models", ["tenant", "run_id"]),
    "attestations_by_model": ("attestations", ["model_id"]),
    "attestations_by_run": ("attestations", ["run_id"]),
}

_COUNT_CONTRIBUTIONS = """
    INSERT INTO contributor_totals
        (address, audience, contributions, models, attestations, data_size, deltas,
            first_at, last_at)
    SELECT address, CASE WHEN private THEN tenant ELSE '' END,
        count(*), count(DISTINCT model_id), 0, coalesce(sum(data_size), 0), '{}',
        min(created_at), max(created_at)
    FROM contributions GROUP BY 1, 2
"""
_SUM_DELTAS = """
    UPDATE contributor_totals t SET deltas = s.deltas FROM (
        SELECT address, audience,
            jsonb_object_agg(key, jsonb_build_array(total::text, models)) AS deltas
        FROM (
            SELECT address, audience, key, sum(value::numeric) AS total, count(*) AS models
            FROM (
                SELECT DISTINCT address, CASE WHEN private THEN tenant ELSE '' END AS audience,
                    model_id, improvements
                FROM contributions
            ) m, jsonb_each_text(m.improvements)
            GROUP BY 1, 2, 3
        ) d GROUP BY 1, 2
    ) s WHERE t.address = s.address AND t.audience = s.audience
"""
_COUNT_ATTESTATIONS = """
    INSERT INTO contributor_totals
        (address, audience, contributions, models, attestations, data_size, deltas)
    SELECT address, CASE WHEN private THEN tenant ELSE '' END, 0, 0, count(*), 0, '{}'
    FROM attestations, unnest(contributors) AS address GROUP BY 1, 2
    ON CONFLICT (address, audience) DO UPDATE SET attestations = excluded.attestations
"""
_WITHOUT_DETAILS = """
    UPDATE models SET contributors = (
        SELECT jsonb_agg(share - 'details' ORDER BY place)
        FROM jsonb_array_elements(contributors) WITH ORDINALITY AS shares (share, place)
    ) WHERE contributors <> '[]'
"""
_WITH_DETAILS = """
    UPDATE models SET contributors = (
        SELECT jsonb_agg(
            share || jsonb_build_object('details', c.details) ORDER BY place
        )
        FROM jsonb_array_elements(contributors) WITH ORDINALITY AS shares (share, place)
        JOIN contributions c ON c.model_id = models.model_id AND c.address = share ->> 'address'
            AND c.data_hash = coalesce(share ->> 'data_hash', '')
    ) WHERE contributors <> '[]'
"""


def upgrade() -> None:
    op.add_column("contributions", sa.Column("model_number", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE contributions c SET model_number = m.number FROM models m "
        "WHERE m.model_id = c.model_id"
    )
    op.alter_column("contributions", "model_number", nullable=False)
    op.execute(_WITHOUT_DETAILS)
    op.create_table(
        "contributor_totals",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("contributions", sa.BigInteger(), nullable=False),
        sa.Column("models", sa.BigInteger(), nullable=False),
        sa.Column("attestations", sa.BigInteger(), nullable=False),
        sa.Column("data_size", sa.Numeric(), nullable=False),
        sa.Column("deltas", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("address", "audience"),
    )
    op.add_column(
        "attestations",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    )
    op.create_unique_constraint("attestations_number_key", "attestations", ["number"])
    op.create_table(
        "attested_contributors",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["attestations.number"]),
        sa.PrimaryKeyConstraint("address", "number"),
    )
    op.execute(
        "INSERT INTO attested_contributors (address, number) "
        "SELECT DISTINCT unnest(contributors), number FROM attestations"
    )
    op.execute(_COUNT_CONTRIBUTIONS)
    op.execute(_SUM_DELTAS)
    op.execute(_COUNT_ATTESTATIONS)
    op.execute(
        """
        CREATE TRIGGER attested_contributors_append_only
        BEFORE UPDATE OR DELETE OR TRUNCATE ON attested_contributors
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """
    )
    for name in BEFORE:
        op.drop_index(name)
    op.drop_index("models_by_contributor")
    op.drop_index("attestations_by_contributor")
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name)
    for name, (table, columns) in BEFORE.items():
        op.create_index(name, table, columns)
    op.create_index(
        "models_by_contributor",
        "models",
        ["contributors"],
        postgresql_using="gin",
        postgresql_ops={"contributors": "jsonb_path_ops"},
    )
    op.create_index(
        "attestations_by_contributor", "attestations", ["contributors"], postgresql_using="gin"
    )
    op.execute("DROP TRIGGER attested_contributors_append_only ON attested_contributors")
    op.drop_table("attested_contributors")
    op.drop_constraint("attestations_number_key", "attestations")
    op.drop_column("attestations", "number")
    op.drop_table("contributor_totals")
    op.execute(_WITH_DETAILS)
    op.drop_column("contributions", "model_number")
