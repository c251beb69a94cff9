"""One tenant attacks another on every open route, and neither reads nor changes its data."""

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
from tests.data_plane.proxy.attack import AttackRequest, fill_in_attack
from tests.data_plane.proxy.cross_tenant_attacks import ATTACKS
from tests.data_plane.proxy.mlflow_documents import trace_location
from tests.data_plane.proxy.tenant_fixture_data import FILES, V2, V3, TenantData, create_tenant_data
from tests.support.gateway import RunningGateway
from tests.support.tab import OWN, SIGN_IN

OPEN_ROUTES = [route for route in load_manifest().routes if route.refused is None]
TWINS = [route for route in OPEN_ROUTES if not route.mirror]
MIRRORS = [route for route in OPEN_ROUTES if route.mirror]
# Who attacks, and which routes.
Attacker = tuple[TenantData, list[Route]]


class Rows(NamedTuple):
    """MLflow's database: the rows of each table, and its foreign keys."""

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


@pytest.fixture(scope="module")
def victim(gateway: RunningGateway) -> Iterator[TenantData]:
    with gateway.client(gateway.key("victim")) as client:
        yield create_tenant_data(client, "victim")


@pytest.fixture(scope="module")
def attacker(gateway: RunningGateway) -> Iterator[TenantData]:
    with gateway.client(gateway.key("attacker")) as client:
        yield create_tenant_data(client, "attacker")


# --- what the victim has ---


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
    # References that are no foreign keys. A link belongs to the owner of its source.
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
    """A tenant's rows: those of its workspace, and all that refer to one of its rows."""
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
    """The SHA-256 of each file of a tenant."""
    root = artifacts / "workspaces" / workspace
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def view_of(tenant: TenantData) -> dict[str, Any]:
    """Everything that a tenant can read of its own data through the gateway."""
    is_prompt = "tags.`mlflow.prompt.is_prompt` = 'true'"
    locations = [trace_location(tenant.experiment)]
    reads: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"{V2}/experiments/get", {"params": {"experiment_id": tenant.experiment}}),
        ("POST", f"{V2}/experiments/search", {"json": {"max_results": 1000, "view_type": "ALL"}}),
        ("GET", f"{V2}/runs/get", {"params": {"run_id": tenant.run}}),
        (
            "POST",
            f"{V2}/runs/search",
            {"json": {"experiment_ids": [tenant.experiment], "run_view_type": "ALL"}},
        ),
        (
            "GET",
            f"{V2}/metrics/get-history",
            {"params": {"run_id": tenant.run, "metric_key": tenant.key("metric")}},
        ),
        ("GET", f"{V2}/artifacts/list", {"params": {"run_id": tenant.run}}),
        ("GET", f"{V2}/artifacts/list", {"params": {"run_id": tenant.run, "path": "d"}}),
        ("GET", f"{FILES}/{tenant.file}", {}),
        ("GET", f"{V2}/logged-models/{tenant.model}", {}),
        ("GET", f"{V2}/logged-models/{tenant.model}/artifacts/directories", {}),
        ("POST", f"{V2}/logged-models/search", {"json": {"experiment_ids": [tenant.experiment]}}),
        ("GET", f"{V2}/registered-models/get", {"params": {"name": tenant.registered}}),
        (
            "GET",
            f"{V2}/registered-models/alias",
            {"params": {"name": tenant.registered, "alias": tenant.alias}},
        ),
        ("GET", f"{V2}/registered-models/search", {}),
        ("GET", f"{V2}/registered-models/get", {"params": {"name": tenant.prompt}}),
        (
            "GET",
            f"{V2}/model-versions/search",
            {"params": {"filter": f"name = '{tenant.prompt}' AND {is_prompt}"}},
        ),
        (
            "GET",
            f"{V2}/model-versions/search",
            {"params": {"filter": f"name = '{tenant.registered}'"}},
        ),
        ("GET", f"{V2}/traces", {"params": {"experiment_ids": tenant.experiment}}),
        (
            "POST",
            f"{V3}/traces/search",
            {"json": {"locations": locations}},
        ),
        ("GET", f"{V3}/traces/get", {"params": {"trace_id": tenant.trace}}),
        ("GET", f"{V3}/traces/get", {"params": {"trace_id": tenant.trace_otlp}}),
        ("GET", f"{V2}/traces/{tenant.trace_v2}/info", {}),
        ("GET", f"{V3}/traces/{tenant.trace}/assessments/{tenant.assessment}", {}),
        ("GET", f"{V3}/datasets/{tenant.dataset}", {}),
        ("GET", f"{V3}/datasets/{tenant.dataset}/records", {}),
        ("GET", f"{V3}/datasets/{tenant.dataset}/experiment-ids", {}),
        ("POST", f"{V3}/datasets/search", {"json": {}}),
        ("GET", f"{V3}/issues/{tenant.issue}", {}),
        ("POST", f"{V3}/issues/search", {"json": {"experiment_id": tenant.experiment}}),
        ("GET", f"{V3}/label-schemas/get", {"params": {"schema_id": tenant.schema}}),
        ("GET", f"{V3}/label-schemas/list", {"params": {"experiment_id": tenant.experiment}}),
    ]
    seen = {}
    for method, path, request in reads:
        response = tenant.client.request(method, path, **request)
        assert response.is_success, f"{method} {path}: {response.text}"
        content = response.headers.get("content-type", "")
        body = response.json() if content.startswith("application/json") else response.text
        seen[f"{method} {path} {json.dumps(request)}"] = body
    return seen


class Stored(NamedTuple):
    """What is stored for the victim, which is compared after each attack."""

    rows: dict[str, list[str]]
    files: dict[str, str]


@pytest.fixture(scope="module")
def stored_before(
    victim: TenantData, view_before: dict[str, Any], database: Any, artifacts: Path
) -> Stored:
    """Read after the victim's view: MLflow writes default label schemas when it lists them."""
    return Stored(rows_of(database, victim.tenant), files_of(artifacts, victim.tenant))


@pytest.fixture(scope="module")
def view_before(victim: TenantData, attacker: TenantData) -> dict[str, Any]:
    return view_of(victim)


# --- what the attacker gets ---


def send(attacker: TenantData, request: AttackRequest, workspace: str | None) -> httpx.Response:
    """Send a request of an attack, with the header of a workspace if one is given."""
    options = dict(request.options)
    headers = dict(options.pop("headers"))
    if workspace is not None:
        headers["X-MLFLOW-WORKSPACE"] = workspace
    return attacker.client.request(
        request.method, f"/api/mlflow{request.path}", headers=headers, **options
    )


def leaked(victim: TenantData, request: AttackRequest, response: httpx.Response) -> set[str]:
    """The victim's names and ids that are in a response, and were not in its request."""
    sent = f"{request.path} {json.dumps(request.options, default=repr)}"
    received = response.text + str(response.headers)
    names = set(re.findall(rf"{victim.marker}[-\w]*", received))
    return {name for name in names if name not in sent} | {
        id_ for id_ in victim.ids if id_ in received and id_ not in sent
    }


def mentions(victim: TenantData, body: Any) -> bool:
    """Whether the body of a response has anything of the victim's in it."""
    text = json.dumps(body)
    return (
        victim.marker in text
        or any(id_ in text for id_ in victim.ids)
        or f'"{victim.experiment}"' in text
    )


def attack_route(name: str, victim: TenantData, attacker: TenantData) -> None:
    """Send all attacks on a route; on a mirror, those on its twin."""
    attacks = ATTACKS.get(name) or ATTACKS[name.replace(" /ajax-api/", " /api/")]
    assert attacks
    for attack in attacks:
        request = fill_in_attack(name, attack, victim, attacker)
        for workspace in (None, victim.tenant):
            response = send(attacker, request, workspace)
            description = f"{request} → {response.status_code} {response.text}"
            assert request.may_succeed or response.status_code >= 400, description
            assert leaked(victim, request, response) == set(), description


def test_every_open_route_is_attacked() -> None:
    assert {f"{route.method} {route.pattern}" for route in TWINS} == set(ATTACKS)
    assert all(ATTACKS.values())


def test_the_victim_has_one_of_everything(
    victim: TenantData, view_before: dict[str, Any], stored_before: Stored
) -> None:
    """Otherwise the comparison afterwards would compare nothing."""
    empty = [read for read, body in view_before.items() if not mentions(victim, body)]
    assert empty == []
    assert len(stored_before.files) == 4
    assert set(stored_before.rows) >= {
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


@pytest.mark.parametrize("route", TWINS, ids=lambda route: f"{route.method} {route.pattern}")
def test_nothing_of_the_other_tenant_is_read_or_changed(
    route: Route,
    victim: TenantData,
    attacker: TenantData,
    stored_before: Stored,
    view_before: dict[str, Any],
    database: Any,
    artifacts: Path,
) -> None:
    attack_route(f"{route.method} {route.pattern}", victim, attacker)
    assert rows_of(database, victim.tenant) == stored_before.rows
    assert files_of(artifacts, victim.tenant) == stored_before.files


@pytest.fixture(scope="module", params=["key", "session"])
def second_attacker(gateway: RunningGateway, request: pytest.FixtureRequest) -> Iterator[Attacker]:
    """An attacker who has not yet stored anything, and attacks with its key or in a browser."""
    tenant = f"attacker-by-{request.param}"
    key = gateway.key(tenant)
    with gateway.client(key) as client:
        data = create_tenant_data(client, tenant)
        if request.param == "key":
            yield data, MIRRORS
        else:
            del client.headers["Authorization"]
            assert client.post(SIGN_IN, json={"key": key}, headers=OWN).status_code == 201
            client.headers.update(OWN)
            yield data, OPEN_ROUTES


def test_nothing_is_read_or_changed_through_mirrors_or_in_a_session(
    victim: TenantData,
    second_attacker: Attacker,
    stored_before: Stored,
    view_before: dict[str, Any],
    database: Any,
    artifacts: Path,
) -> None:
    data, routes = second_attacker
    for route in routes:
        attack_route(f"{route.method} {route.pattern}", victim, data)
    assert rows_of(database, victim.tenant) == stored_before.rows
    assert files_of(artifacts, victim.tenant) == stored_before.files


def test_the_victim_reads_the_same_as_before(
    victim: TenantData, view_before: dict[str, Any]
) -> None:
    assert view_of(victim) == view_before


def test_two_tenants_may_use_the_same_names(gateway: RunningGateway) -> None:
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
