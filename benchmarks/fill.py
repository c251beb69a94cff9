"""Fills a migrated database with many rows: the registry of a service that has run for years.

    python -m benchmarks.fill postgresql://user@host/name [SCALE]

SCALE: a part of the rows of `ROWS`, 1 by default.
"""

import sys
import time
from contextlib import closing

import psycopg2

ROWS = {
    "models": 500_000,
    "contributions": 400_000,
    "attestations": 300_000,
    "audit_events": 2_000_000,
    "api_keys": 100_000,
    "benchmarks": 100_000,
    "predictions": 200_000,
}
# The tenant whose keys the benchmark uses, and what is large or rare in the tables.
TENANT = "benchmark"
ROOT = "hkm_1"
CONTRIBUTOR = "0x" + "1" * 40
RARE_ACTION = "key.rare"

# Each is run with the number of rows as `n`. A tenth of the models improve on the first one, and a
# fifth of the attestations and a seventh of the contributions name one contributor.
_STATEMENTS = (
    """INSERT INTO tenants (name, workspace, created_at)
    SELECT 'tenant-' || g, 'tenant-' || g, now() FROM generate_series(0, 999) g
    ON CONFLICT DO NOTHING""",
    """INSERT INTO tokens (symbol, tenant, created_at)
    SELECT 'TOKEN-' || g, 'tenant-' || g, now() FROM generate_series(0, 4) g""",
    """INSERT INTO models (model_id, kind, tenant, principal, private, mlflow_name, mlflow_version,
        run_id, model_uri, model_type, metadata, metrics, directions, metric_sources,
        primary_metric, baseline_model_id, root, path, delta, contributors, token, token_id, tags,
        warnings, created_at)
    SELECT 'hkm_' || g,
        CASE WHEN g %% 10 = 2 THEN 'improved' WHEN g <= 15 AND g > 10 THEN 'tokenized'
            ELSE 'baseline' END,
        'tenant-' || g %% 1000, 'key:' || g %% 1000, g %% 7 = 3, 'model-' || g %% 5000, g::text,
        md5(g::text), 'runs:/' || md5(g::text) || '/model', 'type-' || g %% 200,
        '{"dataset": "customers"}', '{"accuracy": 0.85, "loss": 0.3}', '{}', '{}', 'accuracy',
        CASE WHEN g %% 10 = 2 THEN 'hkm_1' END,
        CASE WHEN g %% 10 = 2 THEN 'hkm_1' ELSE 'hkm_' || g END,
        CASE WHEN g %% 10 = 2 THEN array['hkm_1', 'hkm_' || g] ELSE array['hkm_' || g] END,
        '{}', '[]', CASE WHEN g <= 15 AND g > 10 THEN 'TOKEN-' || g - 11 END,
        CASE WHEN g <= 15 AND g > 10 THEN 'token-' || g - 11 END, '{}', '[]',
        now() - make_interval(secs => %(models)s - g)
    FROM generate_series(1, %(models)s) g""",
    """INSERT INTO model_files (model_id, tenant, read, oms_root, count, total_bytes, witnessed_at,
        failures, seconds)
    SELECT 'hkm_1', 'tenant-1', jsonb_agg(jsonb_build_object(
        'path', 'shards/' || lpad(g::text, 90, '0'), 'size', g,
        'sha256', encode(sha256(g::text::bytea), 'hex')) ORDER BY g), '', 10000, 50005000, now(),
        0, 0
    FROM generate_series(1, 10000) g""",
    """INSERT INTO contributors (address, first_at)
    SELECT '0x' || lpad(to_hex(g), 40, '0'), now() FROM generate_series(0, 9999) g
    UNION ALL SELECT %(contributor)s, now()""",
    """INSERT INTO contributions (model_id, model_number, baseline_model_id, tenant, private,
        address, weight_bps, data_size, data_hash, details, improvements, created_at)
    SELECT m.model_id, m.number, 'hkm_1', m.tenant, m.private,
        CASE WHEN g %% 7 = 0 THEN %(contributor)s
            ELSE '0x' || lpad(to_hex(g %% 10000), 40, '0') END,
        1000, 5000, g::text, '{"source": "survey"}', '{"accuracy": 0.03}', now()
    FROM generate_series(1, %(contributions)s) g
    JOIN models m ON m.number = 2 + 10 * (g %% (%(models)s / 10 - 1))""",
    """INSERT INTO attestations (hash, text, kind, tenant, private, principal, request_key,
        request_hash, model_id, run_id, contributors, signature, eas, created_at)
    SELECT encode(sha256(g::text::bytea), 'hex'), '{"delta_one": 3.0}',
        CASE WHEN g <= 5 THEN 'claimed' ELSE 'witnessed' END, 'tenant-' || g %% 1000, false,
        'key:1', g::text, '', 'hkm_' || 1 + g %% (%(models)s / 5), md5(g::text),
        CASE WHEN g %% 5 = 0 THEN array[%(contributor)s] ELSE '{}' END, '{}', '{}', now()
    FROM generate_series(1, %(attestations)s) g""",
    """INSERT INTO attested_contributors (address, number)
    SELECT unnest(contributors), number FROM attestations""",
    """INSERT INTO contributor_totals (address, audience, contributions, models, attestations,
        data_size, deltas, first_at, last_at)
    SELECT address, '', count(*), count(DISTINCT model_id), 0, 5000 * count(*),
        '{"accuracy": ["1.5", 50]}', now(), now()
    FROM contributions WHERE NOT private GROUP BY address""",
    """UPDATE contributor_totals SET attestations = %(attestations)s / 5
    WHERE address = %(contributor)s""",
    """INSERT INTO attestation_log (index, kind, attestation, text, at)
    SELECT number - 1, 'attested', hash, '{"attestation": "' || hash || '"}', now()
    FROM attestations""",
    """INSERT INTO attestation_log_nodes (level, index, hash)
    SELECT level, index, sha256((level || '/' || index)::bytea)
    FROM generate_series(0, 18) level, generate_series(0, (%(attestations)s >> level) - 1) index""",
    """INSERT INTO benchmarks (benchmark_id, tenant, principal, request_key, request_hash, private,
        name, dataset_hash, dataset_version, split, rows, metric, metric_family, higher_is_better,
        guardrails, min_examples, label_commitment, label_holder, record, record_sha256, log_index,
        created_at)
    SELECT 'hkb_' || g, 'tenant-' || g %% 1000, 'key:1', g::text, '', g %% 7 = 3,
        'benchmark-' || g %% 5000, encode(sha256((g %% 2000)::text::bytea), 'hex'), '1', 'test',
        1024, CASE WHEN g <= 5 THEN 'recall' ELSE 'accuracy' END, 'proportion', true, '[]', 1024,
        lpad(g::text, 64, '0'), 'tenant', '{}', encode(sha256(g::text::bytea), 'hex'), g, now()
    FROM generate_series(1, %(benchmarks)s) g""",
    """INSERT INTO prediction_commitments (predictions_id, benchmark_id, model_id, tenant,
        principal, private, commitment, record, record_sha256, log_index, created_at)
    SELECT 'hkp_' || g, CASE WHEN g %% 2 = 0 THEN 'hkb_1' ELSE 'hkb_2' END, 'hkm_' || g,
        'tenant-' || g %% 1000, 'key:1', g %% 7 = 3, lpad(g::text, 64, '0'), '{}',
        encode(sha256(g::text::bytea), 'hex'), g, now()
    FROM generate_series(1, %(predictions)s) g""",
    """INSERT INTO audit_events (at, actor, action, subject, tenant, details)
    SELECT now() - make_interval(secs => %(audit_events)s - g), 'key:' || g %% 10000,
        CASE WHEN g <= 5 THEN %(rare_action)s ELSE 'key.created' END, 'subject-' || g %% 100000,
        'tenant-' || g %% 1000, '{"name": "training"}'
    FROM generate_series(1, %(audit_events)s) g""",
    """INSERT INTO api_keys (id, principal, tenant, name, scopes, digest, pepper_version, hint,
        allowed_networks, created_at, created_by)
    SELECT md5(g::text), 'key:' || g %% 10000, 'tenant-' || g %% 1000, 'training', '{read}',
        sha256(('key ' || g)::bytea), 1, 'hk_live_', '{}', now(), 'cli'
    FROM generate_series(1, %(api_keys)s) g""",
)


def fill(url: str, scale: float = 1.0) -> None:
    """Insert the rows. url: of the database, as libpq takes it."""
    values = {name: max(1000, int(rows * scale)) for name, rows in ROWS.items()}
    more = {"contributor": CONTRIBUTOR, "rare_action": RARE_ACTION}
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in _STATEMENTS:
                began = time.monotonic()
                cursor.execute(statement, values | more)
                table = " ".join(statement.split()[:3])
                print(f"{table}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
            cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    fill(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
