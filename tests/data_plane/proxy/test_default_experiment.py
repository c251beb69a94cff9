"""Experiment 0, which the MLflow client uses by default, is the tenant's own `Default`."""

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from app.data_plane.proxy.manifest import load_manifest
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.data_plane.proxy.mlflow_documents import label_schema, now, otlp_spans, trace_v3
from tests.data_plane.proxy.tenant_fixture_data import V2, V3, TenantData
from tests.support import programs
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.wallet import Wallet

# A new user's first program. It runs in its own process, because MLflow's settings are global.
BARE_RUN = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.9)
    mlflow.log_param("depth", 3)
    mlflow.log_text("hello", "hello.txt")
found = mlflow.get_run(run.info.run_id)
assert found.data.metrics == {"accuracy": 0.9}, found
assert mlflow.artifacts.load_text(found.info.artifact_uri + "/hello.txt") == "hello"
assert len(mlflow.search_runs()) == 1
print(found.info.experiment_id)
"""


def stock_client(gateway: RunningGateway, token: str, code: str) -> str:
    """The last line that code with the MLflow client prints."""
    variables = {
        **os.environ,
        "MLFLOW_TRACKING_URI": gateway.mlflow,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    done = programs.finish([sys.executable, "-c", code], Path.cwd(), variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def default_of(client: httpx.Client) -> str:
    """The id of the tenant's experiment `Default`."""
    response = client.get(f"{V2}/experiments/get-by-name", params={"experiment_name": "Default"})
    return str(good(response)["experiment"]["experiment_id"])


def test_a_bare_run_works_in_a_new_tenant(gateway: RunningGateway) -> None:
    key = gateway.key()
    experiment = stock_client(gateway, key, BARE_RUN)
    with gateway.client(key) as client:
        assert default_of(client) == experiment != "0"


def test_a_bare_run_works_for_a_new_wallets_token(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)["access_token"]
    experiment = stock_client(gateway, token, BARE_RUN)
    with gateway.client(token) as client:
        assert default_of(client) == experiment != "0"


@pytest.fixture(scope="module")
def newcomer(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key()) as client:
        yield client


# The manifest's routes that contain the id of an experiment.
MARKED = {
    f"{route.method} {route.pattern}"
    for route in load_manifest().routes
    # A mirror is marked as its twin is.
    if not route.mirror
    and (route.experiments or route.experiment_queries or route.experiment_header)
}
BODIES = {
    "POST /api/2.0/mlflow/runs/create": {"experiment_id": "0"},
    "POST /api/2.0/mlflow/experiments/set-experiment-tag": {
        "experiment_id": "0",
        "key": "k",
        "value": "v",
    },
    "POST /api/2.0/mlflow/experiments/delete-experiment-tag": {"experiment_id": "0", "key": "k"},
    "POST /api/2.0/mlflow/experiments/update": {"experiment_id": "0", "new_name": "Default"},
    "POST /api/2.0/mlflow/runs/search": {"experiment_ids": ["0"]},
    "POST /api/2.0/mlflow/logged-models": {"experiment_id": "0", "name": "n"},
    "POST /api/2.0/mlflow/logged-models/search": {"experiment_ids": ["0"]},
    "POST /api/2.0/mlflow/traces": {"experiment_id": "0", "timestamp_ms": 1},
    "POST /api/2.0/mlflow/traces/delete-traces": {"experiment_id": "0", "request_ids": ["x"]},
    "POST /api/3.0/mlflow/traces/delete-traces": {"experiment_id": "0", "request_ids": ["x"]},
    "POST /api/3.0/mlflow/traces/batchGetInfos": {"trace_ids": ["x"], "experiment_ids": ["0"]},
    "POST /api/3.0/mlflow/traces/calculate-filter-correlation": {
        "experiment_ids": ["0"],
        "filter_string1": "status = 'OK'",
        "filter_string2": "status = 'ERROR'",
    },
    "POST /api/3.0/mlflow/traces/metrics": {
        "experiment_ids": ["0"],
        "view_type": "TRACES",
        "metric_name": "trace_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
    },
    "POST /api/3.0/mlflow/traces/search": {
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]
    },
    "POST /api/3.0/mlflow/datasets/create": {"name": "d", "experiment_ids": ["0"]},
    "POST /api/3.0/mlflow/datasets/search": {"experiment_ids": ["0"]},
    "POST /api/3.0/mlflow/issues": {"experiment_id": "0", "name": "n", "description": "d"},
    "POST /api/3.0/mlflow/issues/search": {"experiment_id": "0"},
    "POST /api/3.0/mlflow/label-schemas/create": label_schema("0", "s", "i"),
    "POST /ajax-api/2.0/mlflow/experiments/search-datasets": {"experiment_ids": ["0"]},
}
QUERIES = {
    "GET /api/2.0/mlflow/experiments/get": {"experiment_id": "0"},
    "GET /api/2.0/mlflow/traces": {"experiment_ids": "0"},
    "GET /api/3.0/mlflow/traces/batchGet": {"trace_ids": "x", "experiment_ids": "0"},
    "GET /api/3.0/mlflow/datasets/search": {"experiment_ids": "0"},
    "GET /api/3.0/mlflow/label-schemas/get-by-name": {"experiment_id": "0", "name": "s"},
    "GET /api/3.0/mlflow/label-schemas/list": {"experiment_id": "0"},
}
# These have tests of their own below.
TESTED_ALONE = {
    "POST /api/2.0/mlflow/experiments/delete",
    "POST /api/2.0/mlflow/experiments/restore",
    "POST /api/3.0/mlflow/traces",
    "POST /api/3.0/mlflow/datasets/{dataset_id}/add-experiments",
    "POST /api/3.0/mlflow/datasets/{dataset_id}/remove-experiments",
    "POST /v1/traces",
}


def test_every_marked_route_is_tested() -> None:
    assert set(BODIES) | set(QUERIES) | TESTED_ALONE == MARKED


@pytest.mark.parametrize("route", BODIES)
def test_0_in_a_body_is_the_default_experiment(newcomer: httpx.Client, route: str) -> None:
    method, path = route.split()
    response = good(newcomer.request(method, f"/api/mlflow{path}", json=BODIES[route]))
    text = str(response)
    assert "'experiment_id': '0'" not in text
    if "create" in path and "datasets" not in path:
        assert f"'experiment_id': '{default_of(newcomer)}'" in text


@pytest.mark.parametrize("route", QUERIES)
def test_0_in_a_query_is_the_default_experiment(newcomer: httpx.Client, route: str) -> None:
    method, path = route.split()
    if path.endswith("get-by-name"):
        body = label_schema("0", "s", "i")
        newcomer.post(f"{V3}/label-schemas/create", json=body)
    response = good(newcomer.request(method, f"/api/mlflow{path}", params=QUERIES[route]))
    if path.endswith("experiments/get"):
        assert response["experiment"]["name"] == "Default"
        assert response["experiment"]["experiment_id"] == default_of(newcomer)


@pytest.mark.parametrize("route", QUERIES)
def test_0_in_the_body_of_a_get_is_the_default_experiment(
    newcomer: httpx.Client, route: str
) -> None:
    method, path = route.split()
    if path.endswith("get-by-name"):
        newcomer.post(f"{V3}/label-schemas/create", json=label_schema("0", "s", "i"))
    body = {
        name: [value] if name.endswith("_ids") else value for name, value in QUERIES[route].items()
    }
    response = good(newcomer.request(method, f"/api/mlflow{path}", json=body))
    if path.endswith("experiments/get"):
        assert response["experiment"]["experiment_id"] == default_of(newcomer)


@pytest.mark.parametrize(
    "body", [{}, {"experiment_id": ""}, {"experimentId": "0"}, {"experiment_id": 0}]
)
def test_a_run_without_an_experiment_is_in_the_default_one(
    newcomer: httpx.Client, body: dict[str, object]
) -> None:
    response = good(newcomer.post(f"{V2}/runs/create", json={"start_time": now(), **body}))
    assert response["run"]["info"]["experiment_id"] == default_of(newcomer)


def test_0_is_found_in_repeated_ids(newcomer: httpx.Client) -> None:
    run = good(newcomer.post(f"{V2}/runs/create", json={"experiment_id": "0"}))["run"]["info"]
    other = good(newcomer.post(f"{V2}/experiments/create", json={"name": secrets.token_hex(4)}))
    ids = [other["experiment_id"], "0"]
    found = good(newcomer.post(f"{V2}/runs/search", json={"experiment_ids": ids}))["runs"]
    assert run["run_id"] in {one["info"]["run_id"] for one in found}


def test_traces_go_to_and_come_from_experiment_0(newcomer: httpx.Client) -> None:
    owner = TenantData(newcomer, "newcomer", "m")
    trace, spans = f"tr-{secrets.token_hex(16)}", secrets.token_hex(16)
    good(newcomer.post(f"{V3}/traces", json=trace_v3(trace, "0", owner)))
    sent = newcomer.post(
        "/api/mlflow/v1/traces",
        json=otlp_spans(spans, "s", **{"mlflow.traceRequestId": f'"tr-{spans}"'}),
        headers={"X-MLflow-Experiment-Id": "0"},
    )
    assert sent.status_code == 200
    found = good(newcomer.get(f"{V2}/traces", params={"experiment_ids": "0"}))["traces"]
    places = {one["request_id"]: one["experiment_id"] for one in found}
    default = default_of(newcomer)
    assert (places[trace], places[f"tr-{spans}"]) == (default, default)


def test_a_dataset_comes_to_and_leaves_experiment_0(newcomer: httpx.Client) -> None:
    body = {"name": secrets.token_hex(4), "experiment_ids": []}
    dataset = good(newcomer.post(f"{V3}/datasets/create", json=body))["dataset"]["dataset_id"]
    one = f"{V3}/datasets/{dataset}"
    default = default_of(newcomer)
    for change, expected in (("add", [default]), ("remove", [])):
        good(newcomer.post(f"{one}/{change}-experiments", json={"experiment_ids": ["0"]}))
        ids = good(newcomer.get(f"{one}/experiment-ids")).get("experiment_ids", [])
        assert ids == expected


def test_the_default_experiment_can_be_deleted_and_restored_by_0(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        for change, stage in (("delete", "deleted"), ("restore", "active")):
            good(client.post(f"{V2}/experiments/{change}", json={"experiment_id": "0"}))
            response = good(client.get(f"{V2}/experiments/get", params={"experiment_id": "0"}))
            assert response["experiment"]["lifecycle_stage"] == stage


def remove_default(postgres: EmbeddedPostgreSQL, client: httpx.Client) -> str:
    """What `mlflow gc` does with the deleted Default of a tenant. Returns the removed id."""
    old = default_of(client)
    good(client.post(f"{V2}/experiments/delete", json={"experiment_id": "0"}))
    with (
        closing(psycopg2.connect(postgres.url("mlflow"))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("delete from experiments where experiment_id = %s", (old,))
    return old


@pytest.mark.parametrize("path", ["fast", "asgi"])
@pytest.mark.parametrize(
    "route",
    ["POST /api/2.0/mlflow/runs/create", "GET /api/2.0/mlflow/experiments/get"],
)
def test_a_default_experiment_that_is_gone_is_looked_up_anew(
    gateway: RunningGateway, postgres: EmbeddedPostgreSQL, route: str, path: str
) -> None:
    method, target = route.split()
    with gateway.client(gateway.key()) as client:
        old = remove_default(postgres, client)
        body: Any = BODIES.get(route)
        if path == "asgi" and body is not None:
            # A chunked body does not take the fast path.
            request: dict[str, Any] = {
                "content": iter([json.dumps(body).encode()]),
                "headers": {"Content-Type": "application/json"},
            }
        else:
            request = {"json": body} if body else {"params": QUERIES[route]}
        if path == "asgi" and body is None:
            request["headers"] = {"Expect": "100-continue"}
        # The same request that finds it gone gets the response of the new one.
        found = str(good(client.request(method, f"/api/mlflow{target}", **request)))
        new = default_of(client)
        assert new != old
        assert f"'experiment_id': '{new}'" in found
    # Other gateways learn the id from the database.
    ids = {row[0] for row in sql(gateway, "select default_experiment from tenants")}
    assert new in ids
    assert old not in ids


def test_a_deleted_default_experiment_is_not_replaced(gateway: RunningGateway) -> None:
    """It can be restored, so that what was logged to it is not lost from sight."""
    with gateway.client(gateway.key()) as client:
        good(client.post(f"{V2}/runs/create", json={"experiment_id": "0"}))
        old = default_of(client)
        good(client.post(f"{V2}/experiments/delete", json={"experiment_id": "0"}))
        refused = client.post(f"{V2}/runs/create", json={"experiment_id": "0"})
        assert refused.status_code == 400, refused.text
        good(client.post(f"{V2}/experiments/restore", json={"experiment_id": "0"}))
        good(client.post(f"{V2}/runs/create", json={"experiment_id": "0"}))
        assert default_of(client) == old
