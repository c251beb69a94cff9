"""The search policy: what a search may ask of MLflow, in every form in which MLflow takes it."""

import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2, model_registry_pb2, service_pb2
from mlflow.utils.search_utils import SearchUtils

from app.core.errors import InvalidParameterError
from app.data_plane.proxy.manifest import load_manifest
from app.data_plane.proxy.search_policy import (
    MAX_CONDITIONS,
    MAX_EXPERIMENTS,
    MAX_FILTER,
    MAX_KEYS,
    check_query,
    check_variables,
)
from tests.data_plane.proxy.tenant_fixture_data import V2, V3
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

MANIFEST = load_manifest()
JSON = {"Content-Type": "application/json"}
EXPERIMENTS = f"{V2}/experiments/search"
LOCATION = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}


def conditions(number: int, between: str = " AND ") -> str:
    return between.join(f"tags.t{n} = 'x'" for n in range(number))


TOO_MANY = conditions(MAX_CONDITIONS + 1)
TOO_LONG = f"name = '{MAX_FILTER * 'x'}'"
BACK_REFERENCE = "tags.t RLIKE '(.*)(.*)(.*)\\1\\2\\3x'"
TOO_MANY_KEYS = ["name"] * (MAX_KEYS + 1)


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key()) as client:
        yield client


def test_every_search_of_the_installed_mlflow_is_bounded() -> None:
    marked = {
        (route.method, route.pattern): {*route.filters, *route.orders}
        for route in MANIFEST.routes
        if route.refused is None
    }
    found = 0
    services = (service_pb2.MlflowService, model_registry_pb2.ModelRegistryService)
    for method in (method for service in services for method in service.DESCRIPTOR.methods):
        fields = {
            field.name + ("[]" if field.message_type is None and field.is_repeated else "")
            for field in method.input_type.fields
            if "filter" in field.name or field.name == "order_by"
        }
        for endpoint in method.GetOptions().Extensions[databricks_pb2.rpc].endpoints:
            for version in ("2.0", "3.0"):
                for start in ("api", "ajax-api"):
                    name = endpoint.method, f"/{start}/{version}{endpoint.path}"
                    if not fields or name not in marked:
                        continue
                    found += 1
                    assert {field.removesuffix("[]") for field in fields} == {
                        field.removesuffix("[]") for field in marked[name]
                    }, name
    assert found >= 20


REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "experiments": ("POST", EXPERIMENTS, {"json": {"max_results": 1, "filter": TOO_MANY}}),
    "their second address": (
        "POST",
        EXPERIMENTS.replace("/api/2", "/ajax-api/2"),
        {"json": {"max_results": 1, "filter": TOO_MANY}},
    ),
    "a query": ("GET", EXPERIMENTS, {"params": {"max_results": 1, "filter": TOO_MANY}}),
    "an encoded name": (
        "GET",
        f"{EXPERIMENTS}?max_results=1&%66ilter={quote(TOO_MANY)}",
        {},
    ),
    "a second filter": (
        "GET",
        f"{EXPERIMENTS}?max_results=1&filter=a&filter={quote(TOO_MANY)}",
        {},
    ),
    "the body of a GET": (
        "GET",
        EXPERIMENTS,
        {"content": json.dumps({"filter": TOO_MANY}), "headers": JSON},
    ),
    "runs": ("POST", f"{V2}/runs/search", {"json": {"filter": TOO_MANY}}),
    "runs in camelCase": (
        "POST",
        f"{V2}/runs/search",
        {"json": {"experimentIds": ["1"], "orderBy": TOO_MANY_KEYS}},
    ),
    "an order in a query": (
        "GET",
        f"{V2}/registered-models/search",
        {"params": {"order_by": TOO_MANY_KEYS}},
    ),
    "versions": ("GET", f"{V2}/model-versions/search", {"params": {"filter": TOO_MANY}}),
    "logged models": (
        "POST",
        f"{V2}/logged-models/search",
        {"json": {"order_by": [{"field_name": "metrics.m"}] * (MAX_KEYS + 1)}},
    ),
    "traces": (
        "POST",
        f"{V3}/traces/search",
        {"json": {"locations": [LOCATION], "filter": TOO_MANY}},
    ),
    "a back-reference": (
        "POST",
        f"{V3}/traces/search",
        {"json": {"locations": [LOCATION], "filter": BACK_REFERENCE}},
    ),
    "a back-reference in a query": (
        "GET",
        f"{V2}/traces?experiment_ids=0&filter={quote(BACK_REFERENCE, safe='')}",
        {},
    ),
    "many regular expressions": (
        "POST",
        f"{V3}/traces/search",
        {"json": {"locations": [LOCATION], "filter": " and ".join(["tags.t RLIKE 'x'"] * 4)}},
    ),
    "traces of the first version": ("GET", f"{V2}/traces", {"params": {"filter": TOO_MANY}}),
    "several filters": (
        "POST",
        f"{V3}/traces/calculate-filter-correlation",
        {"json": {"filterString1": conditions(20), "filter_string2": conditions(20)}},
    ),
    "a list of filters": (
        "POST",
        f"{V3}/traces/metrics",
        {"json": {"filters": ["trace.status = 'OK'"] * (MAX_CONDITIONS + 1)}},
    ),
    "datasets": ("POST", f"{V3}/datasets/search", {"json": {"filterString": TOO_MANY}}),
    "issues": ("POST", f"{V3}/issues/search", {"json": {"filter_string": TOO_MANY}}),
    "a long filter": ("POST", EXPERIMENTS, {"json": {"max_results": 1, "filter": TOO_LONG}}),
    "many experiments": (
        "POST",
        f"{V2}/runs/search",
        {"json": {"experiment_ids": ["1"] * (MAX_EXPERIMENTS + 1)}},
    ),
    "GraphQL": (
        "POST",
        "/api/mlflow/graphql",
        {
            "json": {
                "query": "query($i: MlflowSearchRunsInput!)"
                " {mlflowSearchRuns(input: $i) {runs {info {runName}}}}",
                "variables": {"i": {"experimentIds": ["0"], "filter": TOO_MANY}},
            }
        },
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_search_beyond_the_bounds_is_refused(client: httpx.Client, name: str) -> None:
    method, path, options = REQUESTS[name]
    refused(client.request(method, path, **options), 400, "invalid_parameter")


def test_a_search_within_the_bounds_finds_what_it_should(client: httpx.Client) -> None:
    tags = [{"key": f"t{n}", "value": "x"} for n in range(MAX_CONDITIONS)]
    body = {"name": "with many tags", "tags": tags}
    created = good(client.post(f"{V2}/experiments/create", json=body))["experiment_id"]
    search: dict[str, Any] = {
        "max_results": 5,
        "filter": conditions(MAX_CONDITIONS),
        "order_by": ["name"],
    }
    for response in (
        client.get(EXPERIMENTS, params=search),
        client.post(EXPERIMENTS, json=search),
    ):
        (found,) = good(response)["experiments"]
        assert found["experiment_id"] == created
    many = ", ".join(f"'{n:032x}'" for n in range(800))
    runs = {"experiment_ids": [created], "filter": f"attributes.run_id IN ({many})"}
    assert good(client.post(f"{V2}/runs/search", json=runs)) == {}


def test_a_regular_expression_finds_traces(client: httpx.Client) -> None:
    own = good(client.get(f"{V2}/experiments/get", params={"experiment_id": "0"}))["experiment"]
    location = {**LOCATION, "mlflow_experiment": {"experiment_id": own["experiment_id"]}}
    info = {
        "trace_id": f"tr-{secrets.token_hex(16)}",
        "trace_location": location,
        "request_time": "2026-01-01T00:00:00Z",
        "state": "OK",
        "tags": {"t": "2026-01-01"},
    }
    good(client.post(f"{V3}/traces", json={"trace": {"trace_info": info}}))
    pattern = r"^\d{4}-\d{2}-\d{2}$"
    body = {"locations": [location], "filter": f"tags.t RLIKE '{pattern}'"}
    (found,) = good(client.post(f"{V3}/traces/search", json=body))["traces"]
    assert found["trace_id"] == info["trace_id"]


def test_the_variables_of_graphql_are_checked_at_every_depth() -> None:
    for variables in (
        {"i": {"filter": TOO_MANY}},
        {"i": [{"input": {"filter": TOO_MANY}}]},
        {"i": {"orderBy": TOO_MANY_KEYS}},
    ):
        with pytest.raises(InvalidParameterError):
            check_variables(variables)
    check_variables({"i": {"filter": conditions(MAX_CONDITIONS), "orderBy": "name"}, "n": None})


CONDITION = st.sampled_from(
    [
        "params.a='x'",
        "metrics.m>=1",
        "metrics.m!=1",
        "tags.`a b` LIKE 'x'",
        'tags."a" iLike"x"',
        "attributes.run_id IN ('a','b')",
        "attributes.run_id in('a')",
        "attributes.run_id NOT IN ('a')",
        "attributes.run_id IN/**/('a')",
        "params.a IS NULL",
        "params.a is not/**/null",
        "tags.t='it\\'s AND'",
    ]
)
BETWEEN = st.sampled_from(
    [" AND ", " and ", "\tAnd\n", " ", "\n", "/**/", " /* ' */ and ", " -- '\n"]
)


@given(st.lists(st.tuples(CONDITION, BETWEEN), min_size=1, max_size=8))
@example([("params.a='x'", " ")] * 3)
def test_no_condition_that_mlflow_finds_is_overlooked(parts: list[tuple[str, str]]) -> None:
    text = "".join(condition + between for condition, between in parts)
    try:
        found = len(SearchUtils.parse_search_filter(text))
    except MlflowException:
        return
    search = MANIFEST.match("GET", "/api/2.0/mlflow/experiments/search").route
    repeated = f"{text} AND " * (MAX_CONDITIONS // found + 1)
    with pytest.raises(InvalidParameterError, match="conditions"):
        check_query(search, b"filter=" + quote(repeated).encode())
