"""Lists in a registry that has grown: what a page costs is bounded, whatever others wrote.

Costs are counted, not timed: statements, rows that PostgreSQL reads, bytes of a response.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from app.control_plane.reference.openapi import operations, resolve
from app.core.request.principal import Scope
from app.database.reads import Reads, Statement
from app.rest.listing import EXAMINED, MAX_BYTES
from benchmarks.fill import CONTRIBUTOR, ROOT, fill
from benchmarks.grown import READS
from tests.control_plane.openapi_document import DOCUMENT
from tests.support.gateway import RunningGateway
from tests.support.sql import sql

# Rows of a table for which PostgreSQL's planner prefers an index, as with millions.
SCALE = 0.02
LISTS = {name: path for name, path in READS.items() if "/log" not in path}
LISTS.pop("tenants")
LISTS |= {
    "benchmarks": "/api/benchmarks",
    "benchmarks of a metric": "/api/benchmarks?metric=accuracy",
    "benchmarks of a name and tenant": "/api/benchmarks?name=benchmark-7&tenant=tenant-7",
    "benchmark": "/api/benchmarks/hkb_1",
    "predictions": "/api/benchmarks/hkb_1/predictions",
    "predictions of a model": "/api/benchmarks/hkb_1/predictions?model_id=hkm_2",
}
ALL_OF_A_PAGE = 1000


@pytest.fixture(scope="module")
def grown(new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    """A gateway in front of a database with many rows; it needs no MLflow for this."""
    url = new_database()
    fill(url.replace("+asyncpg", ""), SCALE)
    with RunningGateway(url, "http://127.0.0.1:9") as running:
        yield running


@pytest.fixture(scope="module")
def client(grown: RunningGateway) -> Iterator[httpx.Client]:
    """A client with all scopes, of a tenant without models."""
    with grown.client(grown.key(scopes=list(Scope))) as made:
        yield made


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[Any]]]:
    """The statements that reads have run, each with its arguments."""
    run: list[tuple[str, list[Any]]] = []
    tuples = Reads.tuples

    async def recorded(self: Reads, statement: Statement, **values: Any) -> list[Any]:
        run.append((statement.sql, statement.arguments(values)))
        return await tuples(self, statement, **values)

    monkeypatch.setattr(Reads, "tuples", recorded)
    return run


def plans(gateway: RunningGateway, run: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    """All nodes of the plans with which PostgreSQL runs the statements."""

    async def explain() -> list[dict[str, Any]]:
        assert gateway.settings.database_url is not None
        url = gateway.settings.database_url.get_secret_value().replace("+asyncpg", "")
        connection = await asyncpg.connect(url)
        # With so few rows, and statistics of a random sample, reading a whole table can look as
        # cheap as an index. It is read in this way only where no index serves.
        await connection.execute("SET enable_seqscan = off")
        pending = []
        for statement, arguments in run:
            text = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments
            )
            pending.append(json.loads(text)[0]["Plan"])
        await connection.close()
        nodes = []
        while pending:
            node = pending.pop()
            nodes.append(node)
            pending += node.get("Plans", [])
        return nodes

    return asyncio.run(explain())


def read(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    response = client.get(httpx.URL(path).copy_merge_params(query))
    assert response.status_code == 200, response.text
    assert len(response.content) <= MAX_BYTES + 100_000
    document: dict[str, Any] = response.json()
    return document


@pytest.mark.parametrize("name", LISTS)
def test_a_read_uses_an_index_and_examines_a_bounded_number_of_rows(
    grown: RunningGateway,
    client: httpx.Client,
    statements: list[tuple[str, list[Any]]],
    name: str,
) -> None:
    read(client, LISTS[name])
    # A page of 100 is loaded in two batches; a short one also finds out where it ended.
    assert 1 <= len(statements) <= 5
    for node in plans(grown, statements):
        assert node["Node Type"] != "Seq Scan", node
        rows = node["Actual Rows"] * node["Actual Loops"]
        assert rows + node.get("Rows Removed by Filter", 0) <= EXAMINED, node


def pages(client: httpx.Client, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = None
    while True:
        page = read(client, path, **query, **({"cursor": cursor} if cursor else {}))
        yield page["items"]
        cursor = page["next"]
        if cursor is None:
            return


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/api/models?type=type-7&kind=tokenized", 0),
        ("/api/models?kind=tokenized", 4),
        (f"/api/models?contributor={CONTRIBUTOR}&kind=tokenized", 0),
        ("/api/admin/audit?action=key.rare", 5),
        ("/api/admin/audit?tenant=tenant-7&action=key.created", 40),
        ("/api/attestations?kind=claimed", 5),
        ("/api/benchmarks?metric=recall", 4),
        ("/api/admin/keys?tenant=tenant-7&principal=key:none", 0),
        (f"/api/contributors/{CONTRIBUTOR}/attestations", 1200),
    ],
)
def test_pages_that_examined_too_much_lead_on_until_all_entries_were_seen(
    client: httpx.Client, path: str, count: int
) -> None:
    items = [item for page in pages(client, path, limit=ALL_OF_A_PAGE) for item in page]
    assert len(items) == count
    assert len({json.dumps(item, sort_keys=True) for item in items}) == count


def test_a_page_of_keys_is_bounded_in_bytes(grown: RunningGateway, client: httpx.Client) -> None:
    sql(
        grown,
        """INSERT INTO api_keys (id, principal, tenant, name, scopes, digest, pepper_version, hint,
            allowed_networks, created_at, created_by)
        SELECT 'long' || g, 'key:long', 'tenant-1', repeat('x', 200), '{read}',
            sha256(('long ' || g)::bytea), 1, 'hk_live_',
            array_fill('2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128'::text, array[100]), now(), 'cli'
        FROM generate_series(1, 200) g""",
    )
    found = list(pages(client, "/api/admin/keys?principal=key:long", limit=ALL_OF_A_PAGE))
    assert len(found) > 1
    assert sum(map(len, found)) == 200


def test_a_page_is_bounded_in_bytes_and_no_model_is_lost(grown: RunningGateway) -> None:
    long = json.dumps({f"{number:0200}": 0.5 for number in range(200)})
    sql(
        grown,
        """INSERT INTO models (model_id, kind, tenant, principal, private, mlflow_name,
            mlflow_version, model_uri, metadata, metrics, directions, metric_sources, root, path,
            delta, contributors, tags, warnings, created_at)
        SELECT 'long_' || g, 'baseline', 'long', 'key:1', false, 'long', g::text, 'models:/m', '{}',
            %s, '{}', '{}', 'long_' || g, array['long_' || g], '{}', '[]', '{}', '[]', now()
        FROM generate_series(1, 60) g""",
        long,
    )
    with grown.client(grown.key()) as client:
        found = list(pages(client, "/api/models", tenant="long", limit=ALL_OF_A_PAGE))
        assert len(found) > 1
        ids = [model["model_id"] for page in found for model in page]
        assert ids == [f"long_{number}" for number in range(60, 0, -1)]
        assert len(client.get("/api/models/long_1/lineage").content) <= MAX_BYTES


def test_others_private_models_only_make_pages_shorter(grown: RunningGateway) -> None:
    with grown.client(grown.key("tenant-3")) as owner, grown.client(grown.key()) as other:
        for client, expected in ((owner, 10), (other, 8)):
            found = [m for page in pages(client, "/api/models", tenant="tenant-3") for m in page]
            assert len(found) == expected


def test_a_large_lineage_is_read_in_pages_and_the_first_has_the_path(client: httpx.Client) -> None:
    leaf = "hkm_9982"
    first = read(client, f"/api/models/{leaf}/lineage", limit=10)
    assert (first["root"], first["path"], first["complete"]) == (ROOT, [ROOT, leaf], False)
    ids = [node["model"]["model_id"] for node in first["nodes"]]
    assert (len(ids), ids[0], ids[-1]) == (11, ROOT, leaf)
    seen = set(ids)
    cursor = first["next"]
    while cursor:
        page = read(client, f"/api/models/{leaf}/lineage", limit=ALL_OF_A_PAGE, cursor=cursor)
        seen |= {node["model"]["model_id"] for node in page["nodes"]}
        cursor = page["next"]
    assert len(seen) == 1 + 1000 - private_improvements()


def private_improvements() -> int:
    return sum(number % 7 == 3 for number in range(2, 10_001, 10))


def test_a_contributor_has_counts_instead_of_hashes(client: httpx.Client) -> None:
    found = read(client, f"/api/contributors/{CONTRIBUTOR}")
    assert found["attestations"] == 1200
    assert found["deltas"] == {"accuracy": 1.5}


@pytest.mark.parametrize(
    "cursor", ["!", "eHh4", "MjAyNi0x", "MjAyNi0wMS0wMSA5OTk5OTk5OTk5OTk5OTk5OTk5"]
)
def test_a_cursor_of_another_list_is_refused(client: httpx.Client, cursor: str) -> None:
    for path in ("/api/models", "/api/admin/audit", "/api/attestations"):
        response = client.get(path, params={"cursor": cursor})
        assert (response.status_code, response.json()["reason"]) == (400, "invalid_parameter")


def described_lists() -> Iterator[tuple[str, set[str]]]:
    """The path of each described list, and the names of its query parameters."""
    for method, path, operation in operations(DOCUMENT):
        media = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        schema = resolve(DOCUMENT, media.get("schema", {}))
        if method == "GET" and (
            schema.get("type") == "array" or "items" in schema.get("properties", {})
        ):
            yield path, {one["name"] for one in operation.get("parameters", [])}


def test_every_list_has_pages() -> None:
    found = dict(described_lists())
    assert "/api/models" in found
    without = {path for path, names in found.items() if not {"cursor", "limit"} <= names}
    # A principal has few sessions: beginning another one ends the oldest. And an operator has few
    # circuits.
    assert without == {"/api/auth/sessions", "/api/proofs/circuits"}
