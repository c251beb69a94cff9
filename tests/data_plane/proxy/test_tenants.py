"""Two tenants against each other over every open route: nothing is read, nothing is changed."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg2
import pytest

from app.data_plane.proxy.manifest import Route, load_manifest
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.data_plane.proxy.cross_tenant_attacks import CASES, Attempt, attempts, location
from tests.data_plane.proxy.tenant_fixture_data import FILES, V2, V3, World, make_world
from tests.support.gateway import RunningGateway

OPEN = [route for route in load_manifest().routes if route.refused is None]


class Rows(NamedTuple):
    """MLflow's database: the rows of each table, and which columns refer to which."""

    tables: dict[str, list[dict[str, Any]]]
    references: list[tuple[str, list[str], str, list[str]]]


@pytest.fixture(scope="module")
def database(mlflow_server: ChildMLflow, postgres: EmbeddedPostgreSQL) -> Iterator[Any]:
    connection = psycopg2.connect(postgres.url("mlflow"))
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def artifacts(mlflow_server: ChildMLflow) -> Path:
    return mlflow_server._directory / "artifacts"


def new_world(gateway: RunningGateway, tenant: str) -> World:
    return make_world(gateway.client(gateway.key(tenant)), tenant)


@pytest.fixture(scope="module")
def worlds(gateway: RunningGateway) -> Iterator[tuple[World, World]]:
    """The victim and the intruder."""
    a, b = new_world(gateway, "victim"), new_world(gateway, "intruder")
    yield a, b
    for world in (a, b):
        world.client.close()


# --- what is A's ---


def read_database(database: Any) -> Rows:
    with database.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT row_to_json(t) FROM "{name}" t')  # noqa: S608
            tables[name] = [row for (row,) in cursor.fetchall()]
        cursor.execute(
            """
            SELECT c.conrelid::regclass::text, c.confrelid::regclass::text,
              (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey)
                 WITH ORDINALITY k(i, n) JOIN pg_attribute a
                 ON a.attrelid = c.conrelid AND a.attnum = k.i),
              (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey)
                 WITH ORDINALITY k(i, n) JOIN pg_attribute a
                 ON a.attrelid = c.confrelid AND a.attnum = k.i)
            FROM pg_constraint c WHERE c.contype = 'f'
            """
        )
        references = [
            (child, own, parent, theirs) for child, parent, own, theirs in cursor.fetchall()
        ]
    # Two tables that refer without a constraint. What owns a link is its source.
    for child, parent, key in (
        ("inputs", "datasets", "dataset_uuid"),
        ("inputs", "runs", "run_uuid"),
        ("entity_associations", "trace_info", "request_id"),
        ("entity_associations", "evaluation_datasets", "dataset_id"),
    ):
        references.append((child, ["source_id"], parent, [key]))
    references.append(("input_tags", ["input_uuid"], "inputs", ["input_uuid"]))
    return Rows(tables, references)


def rows_of(database: Any, workspace: str) -> dict[str, list[str]]:
    """A tenant's rows: those that name its workspace, and all that refer to one of its rows."""
    rows = read_database(database)
    owned: dict[str, dict[str, dict[str, Any]]] = {
        table: {json.dumps(row): row for row in found if row.get("workspace") == workspace}
        for table, found in rows.tables.items()
    }
    grew = True
    while grew:
        grew = False
        for child, own, parent, theirs in rows.references:
            keys = {tuple(row[name] for name in theirs) for row in owned[parent].values()}
            for row in rows.tables[child]:
                if tuple(row[name] for name in own) in keys:
                    text = json.dumps(row)
                    grew = grew or text not in owned[child]
                    owned[child][text] = row
    return {table: sorted(found) for table, found in owned.items() if found}


def files_of(artifacts: Path, workspace: str) -> dict[str, str]:
    """The hash of each file of a tenant's."""
    root = artifacts / "workspaces" / workspace
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def view_of(a: World) -> dict[str, Any]:
    """All that a tenant sees of its things through the gateway."""
    reads: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"{V2}/experiments/get", {"params": {"experiment_id": a.experiment}}),
        ("POST", f"{V2}/experiments/search", {"json": {"max_results": 1000, "view_type": "ALL"}}),
        ("GET", f"{V2}/runs/get", {"params": {"run_id": a.run}}),
        (
            "POST",
            f"{V2}/runs/search",
            {"json": {"experiment_ids": [a.experiment], "run_view_type": "ALL"}},
        ),
        (
            "GET",
            f"{V2}/metrics/get-history",
            {"params": {"run_id": a.run, "metric_key": a.key("metric")}},
        ),
        ("GET", f"{V2}/artifacts/list", {"params": {"run_id": a.run}}),
        ("GET", f"{V2}/artifacts/list", {"params": {"run_id": a.run, "path": "d"}}),
        ("GET", f"{FILES}/{a.file}", {}),
        ("GET", f"{V2}/logged-models/{a.model}", {}),
        ("GET", f"{V2}/logged-models/{a.model}/artifacts/directories", {}),
        ("POST", f"{V2}/logged-models/search", {"json": {"experiment_ids": [a.experiment]}}),
        ("GET", f"{V2}/registered-models/get", {"params": {"name": a.registered}}),
        (
            "GET",
            f"{V2}/registered-models/alias",
            {"params": {"name": a.registered, "alias": a.alias}},
        ),
        ("GET", f"{V2}/registered-models/search", {}),
        ("GET", f"{V2}/registered-models/get", {"params": {"name": a.prompt}}),
        (
            "GET",
            f"{V2}/model-versions/search",
            {
                "params": {
                    "filter": f"name = '{a.prompt}' AND tags.`mlflow.prompt.is_prompt` = 'true'"
                }
            },
        ),
        (
            "GET",
            f"{V2}/model-versions/search",
            {"params": {"filter": f"name = '{a.registered}'"}},
        ),
        ("GET", f"{V2}/traces", {"params": {"experiment_ids": a.experiment}}),
        ("POST", f"{V3}/traces/search", {"json": {"locations": [location(a.experiment)]}}),
        ("GET", f"{V3}/traces/get", {"params": {"trace_id": a.trace}}),
        ("GET", f"{V3}/traces/get", {"params": {"trace_id": a.trace_otlp}}),
        ("GET", f"{V2}/traces/{a.trace_v2}/info", {}),
        ("GET", f"{V3}/traces/{a.trace}/assessments/{a.assessment}", {}),
        ("GET", f"{V3}/datasets/{a.dataset}", {}),
        ("GET", f"{V3}/datasets/{a.dataset}/records", {}),
        ("GET", f"{V3}/datasets/{a.dataset}/experiment-ids", {}),
        ("POST", f"{V3}/datasets/search", {"json": {}}),
        ("GET", f"{V3}/issues/{a.issue}", {}),
        ("POST", f"{V3}/issues/search", {"json": {"experiment_id": a.experiment}}),
        ("GET", f"{V3}/label-schemas/get", {"params": {"schema_id": a.schema}}),
        ("GET", f"{V3}/label-schemas/list", {"params": {"experiment_id": a.experiment}}),
    ]
    seen = {}
    for method, path, request in reads:
        answer = a.client.request(method, path, **request)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        content = answer.headers.get("content-type", "")
        body = answer.json() if content.startswith("application/json") else answer.text
        seen[f"{method} {path} {json.dumps(request)}"] = body
    return seen


class State(NamedTuple):
    """What is compared after every play."""

    rows: dict[str, list[str]]
    files: dict[str, str]


@pytest.fixture(scope="module")
def before(
    worlds: tuple[World, World], database: Any, artifacts: Path
) -> tuple[dict[str, Any], State]:
    a = worlds[0]
    return view_of(a), State(rows_of(database, a.tenant), files_of(artifacts, a.tenant))


# --- what B gets ---


def play(b: World, attempt: Attempt, workspace: str | None) -> httpx.Response:
    """Send an attempt, with A's workspace in the header if one is given."""
    request = dict(attempt.request)
    headers = dict(request.pop("headers", {}))
    if workspace is not None:
        headers["X-MLFLOW-WORKSPACE"] = workspace
    return b.client.request(
        attempt.method, f"/api/mlflow{attempt.path}", headers=headers, **request
    )


def leaked(a: World, attempt: Attempt, answer: httpx.Response) -> set[str]:
    """What of A's stands in an answer and was not in the request itself."""
    asked = f"{attempt.path} {json.dumps(attempt.request, default=repr)}"
    told = answer.text + str(answer.headers)
    words = set(re.findall(rf"{a.marker}[-\w]*", told))
    return {word for word in words if word not in asked} | {
        id_ for id_ in a.ids if id_ in told and id_ not in asked
    }


def mentions(a: World, body: Any) -> bool:
    """Whether an answer to A tells of something of A's."""
    told = json.dumps(body)
    return a.marker in told or any(id_ in told for id_ in a.ids) or f'"{a.experiment}"' in told


def test_every_open_route_has_a_case() -> None:
    assert {f"{route.method} {route.pattern}" for route in OPEN} == set(CASES)


def test_the_victim_has_one_of_everything(
    before: tuple[dict[str, Any], State], worlds: tuple[World, World]
) -> None:
    """Or the comparison afterwards would compare nothing."""
    view, state = before
    a = worlds[0]
    nothing = [key for key, body in view.items() if not mentions(a, body)]
    assert nothing == []
    assert len(state.files) == 4
    assert set(state.rows) >= {
        "assessments",
        "datasets",
        "entity_associations",
        "evaluation_dataset_records",
        "evaluation_dataset_tags",
        "evaluation_datasets",
        "experiment_tags",
        "experiments",
        "input_tags",
        "inputs",
        "issues",
        "label_schemas",
        "latest_metrics",
        "logged_model_metrics",
        "logged_model_params",
        "logged_model_tags",
        "logged_models",
        "metrics",
        "model_version_tags",
        "model_versions",
        "params",
        "registered_model_aliases",
        "registered_model_tags",
        "registered_models",
        "runs",
        "spans",
        "tags",
        "trace_info",
        "trace_request_metadata",
        "trace_tags",
    }


@pytest.mark.parametrize("route", OPEN, ids=lambda route: f"{route.method} {route.pattern}")
def test_nothing_of_the_other_tenant_is_read_or_changed(
    route: Route,
    worlds: tuple[World, World],
    before: tuple[dict[str, Any], State],
    database: Any,
    artifacts: Path,
) -> None:
    a, b = worlds
    tried = attempts(route, a, b)
    assert tried
    for attempt in tried:
        for workspace in (None, a.tenant):
            answer = play(b, attempt, workspace)
            told = f"{attempt.method} {attempt.path} {attempt.request} → {answer.status_code}"
            assert attempt.fine or answer.status_code >= 400, f"{told} {answer.text}"
            assert leaked(a, attempt, answer) == set(), f"{told} {answer.text}"
    assert rows_of(database, a.tenant) == before[1].rows
    assert files_of(artifacts, a.tenant) == before[1].files


def test_the_victim_sees_its_world_as_it_was(
    before: tuple[dict[str, Any], State], worlds: tuple[World, World]
) -> None:
    assert view_of(worlds[0]) == before[0]


def test_both_may_own_the_same_names(gateway: RunningGateway) -> None:
    name = "third_party_models"
    for tenant in ("namesake-one", "namesake-two"):
        with gateway.client(gateway.key(tenant)) as client:
            experiment = client.post(f"{V2}/experiments/create", json={"name": name})
            model = client.post(f"{V2}/registered-models/create", json={"name": name})
            assert (experiment.status_code, model.status_code) == (200, 200)
            found = client.get(f"{V2}/registered-models/search").json()["registered_models"]
            assert [one["name"] for one in found] == [name]
            found = client.get(f"{V2}/experiments/search", params={"max_results": 100}).json()
            assert sorted(one["name"] for one in found["experiments"]) == ["Default", name]
            places = {one["artifact_location"] for one in found["experiments"]}
            assert all(
                place.startswith(f"mlflow-artifacts:/workspaces/{tenant}/") for place in places
            )
