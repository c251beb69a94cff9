"""The GraphQL policy: what of the schema may be used, and within which bounds."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.core.errors import InvalidParameterError
from app.data_plane.proxy.graphql_policy import MAX_RUNS, check_query, checked_request
from tests.data_plane.proxy.tenant_fixture_data import V2
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

JSON = b"application/json"
EXPERIMENT = """
query MlflowGetExperimentQuery($input: MlflowGetExperimentInput!) @component(name: "x") {
  mlflowGetExperiment(input: $input) {
    apiError { code message }
    experiment { ...Fields __typename }
    __typename
  }
}
fragment Fields on MlflowExperiment { experimentId name tags { key value } }
"""


def request(query: str, **variables: Any) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key()) as client:
        yield client


def test_a_query_of_the_interface_passes_and_is_answered(client: httpx.Client) -> None:
    own = good(client.get(f"{V2}/experiments/get", params={"experiment_id": "0"}))["experiment"]
    for value in ("0", own["experiment_id"]):
        body = {"query": EXPERIMENT, "variables": {"input": {"experimentId": value}}}
        document = good(client.post("/api/mlflow/graphql", json=body))
        assert document["errors"] is None
        found = document["data"]["mlflowGetExperiment"]["experiment"]
        assert (found["experimentId"], found["name"]) == (own["experiment_id"], "Default")


def test_experiment_0_is_replaced_wherever_variables_name_it() -> None:
    query = "query($a: A, $b: B) {mlflowSearchRuns(input: $a) {x} mlflowGetRun(input: $b) {x}}"
    body = request(query, a={"experimentIds": ["0", "5", 0]}, b=[{"experimentId": "0"}], c="0")
    sent = json.loads(checked_request(body, JSON, "77"))
    assert sent["variables"] == {
        "a": {"experimentIds": ["77", "5", "77"]},
        "b": [{"experimentId": "77"}],
        "c": "0",
    }
    unchanged = request(query, a={"experimentIds": ["5"]}, b={"experimentId": False})
    assert checked_request(unchanged, JSON, "77") is unchanged


RUNS = """
query SearchRuns($data: MlflowSearchRunsInput!) {
  mlflowSearchRuns(input: $data) {
    nextPageToken
    runs { info { runName } ...Lookups }
  }
}
fragment Lookups on MlflowRunExtension { experiment { name } modelVersions { name } }
"""


def test_a_search_that_looks_up_more_of_each_run_has_small_pages(client: httpx.Client) -> None:
    """MLflow looks the experiment and the model versions of each run up one by one."""
    name = {"name": "many runs"}
    experiment = good(client.post(f"{V2}/experiments/create", json=name))["experiment_id"]
    names = [f"run {n}" for n in range(MAX_RUNS + 1)]
    for run in names:
        body = {"experiment_id": experiment, "run_name": run}
        good(client.post(f"{V2}/runs/create", json=body))
    pages: list[list[str]] = []
    token = None
    while token or not pages:
        data = {"experimentIds": [experiment], "maxResults": 50_000, "pageToken": token}
        body = {"query": RUNS, "variables": {"data": data}}
        document = good(client.post("/api/mlflow/graphql", json=body))
        assert document["errors"] is None
        found = document["data"]["mlflowSearchRuns"]
        pages.append([run["info"]["runName"] for run in found["runs"]])
        assert all(run["experiment"] == name for run in found["runs"])
        token = found["nextPageToken"]
    assert [len(page) for page in pages] == [MAX_RUNS, 1]
    assert sorted(run for page in pages for run in page) == sorted(names)


@pytest.mark.parametrize("size", [None, 51, 1e9, 50.5, 0, -1, True, "7", [7]])
def test_no_form_of_the_page_size_gets_around_it(size: Any) -> None:
    sent = json.loads(checked_request(request(RUNS, data={"maxResults": size}), JSON, "1"))
    assert sent["variables"] == {"data": {"maxResults": MAX_RUNS}}
    without = json.loads(checked_request(request(RUNS, data={}), JSON, "1"))
    assert without["variables"] == {"data": {"maxResults": MAX_RUNS}}


def test_other_searches_have_the_pages_that_they_ask_for() -> None:
    for query, size in (
        (RUNS, 50),
        ("query($data: D) {mlflowSearchRuns(input: $data) {runs {info {runName}}}}", 1000),
        ("query($data: D) {mlflowSearchModelVersions(input: $data) {modelVersions {x}}}", 1000),
        ("query($data: D) {mlflowGetRun(input: $data) {run {experiment {name}}}}", 1000),
    ):
        body = request(query, data={"maxResults": size})
        assert checked_request(body, JSON, "1") is body


def nested(depth: int) -> str:
    return "{mlflowGetRun(input: $i) " + "{run " * depth + "{x}" + "}" * depth + "}"


FRAGMENT = "fragment F on R {a b c d e f g h i j}"
REFUSED = {
    "a field that is not named": "query($i: I) {test(inputString: $i) {output}}",
    "one of them beside an allowed one": "query($i: I) {mlflowGetRun(input: $i) {x} test}",
    "an alias with an allowed name": "query($i: I) {mlflowGetRun: test(inputString: $i) {output}}",
    "a mutation": "mutation($i: I) {testMutation(inputString: $i) {output}}",
    "a query's field in a mutation": "mutation($i: I) {mlflowGetRun(input: $i) {x}}",
    "a subscription": "subscription {mlflowGetRun {x}}",
    "introspection": "{__schema {types {name}}}",
    "introspection of a type": '{__type(name: "x") {name}}',
    "introspection below": "query($i: I) {mlflowGetRun(input: $i) {__schema {x}}}",
    "a fragment at the root": "{...F} fragment F on Query {test {output}}",
    "an inline fragment at the root": "{... on Query {test {output}}}",
    "two operations": "query A {mlflowGetRun {x}} query B {mlflowGetRun {x}}",
    "no operation": FRAGMENT,
    "a definition of a type": "type T {a: Int} query {mlflowGetRun {x}}",
    "two fragments of one name": "{mlflowGetRun {...F}} " + 2 * FRAGMENT,
    "an unknown fragment": "{mlflowGetRun {...G}}",
    "a fragment that contains itself": "{mlflowGetRun {...F}} fragment F on R {a {...F}}",
    "a fragment that is only itself": "{mlflowGetRun {...F}} fragment F on R {...F}",
    "fragments that multiply": "{mlflowGetRun {...A}} "
    + "".join(f"fragment {a} on R {{{6 * f'...{b} '}}} " for a, b in ("AB", "BC", "CF"))
    + FRAGMENT,
    "a literal": '{mlflowGetExperiment(input: {experimentId: "0"}) {x}}',
    "a literal with a variable in it": "query($i: I) {mlflowGetRun(input: {runId: $i}) {x}}",
    "a default value": 'query($i: I = {experimentId: "0"}) {mlflowGetRun(input: $i) {x}}',
    "arguments below": "query($i: I) {mlflowGetRun(input: $i) {run(a: $i) {x}}}",
    "too many fields at the root": "{" + "".join(f"a{n}: mlflowGetRun " for n in range(5)) + "}",
    "too many aliases": "{mlflowGetRun {" + "".join(f"a{n}: x " for n in range(9)) + "}}",
    "aliases in fragments": "{mlflowGetRun {...F ...G}} "
    + "".join(
        f"fragment {f} on R {{" + "".join(f"{f}{n}: x " for n in range(5)) + "} " for f in "FG"
    ),
    "too many lookups": "query($i: I) {mlflowSearchRuns(input: $i) {runs {experiment {x}"
    " a: experiment {x} modelVersions {x}}}}",
    "two searches": "query($i: I) {mlflowSearchRuns(input: $i) {x} a: mlflowSearchRuns(input: $i)"
    " {x}}",
    "too deep": nested(9),
    "too deep for any parser": "{" * 1500,
    "very deep": nested(600),
    "too many fields": "{mlflowGetRun {" + "x " * 400 + "}}",
    "too many tokens": "{mlflowGetRun {" + "x " * 3000 + "}}",
    "no GraphQL": "mlflowGetRun(",
    "empty": "",
    "only a comment": "# {mlflowGetRun {x}}",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_query_beyond_it_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameterError):
        check_query(REFUSED[name])


def test_a_string_or_a_comment_hides_nothing() -> None:
    check_query('query($i: I) @component(name: "} test {") {mlflowGetRun(input: $i) {x}} # } test')
    with pytest.raises(InvalidParameterError):
        check_query('query($i: I) @component(name: """\\""" {""") {test}')


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (request(EXPERIMENT), b"text/plain"),
        (request(EXPERIMENT), b""),
        (b"[" + request(EXPERIMENT) + b"]", JSON),
        (b'{"query": "{mlflowGetRun {x}}", "query": "{test}"}', JSON),
        (b'{"query": ["{mlflowGetRun {x}}"]}', JSON),
        (b'{"query": "{mlflowGetRun {x}}", "variables": "{}"}', JSON),
        (b'{"query": "{mlflowGetRun {x}}", "variables": {"i": {"runId": "\\u0000"}}}', JSON),
        (b"query=x", JSON),
        (b"", JSON),
    ],
)
def test_a_request_of_another_form_is_refused(body: bytes, media_type: bytes) -> None:
    with pytest.raises(InvalidParameterError):
        checked_request(body, media_type, "1")


def test_the_gateway_refuses_before_mlflow_sees_it(client: httpx.Client) -> None:
    path = "/api/mlflow/graphql"
    refused(
        client.post(path, json={"query": "{__schema {types {name}}}"}), 400, "invalid_parameter"
    )
    refused(client.post(path, content=b"x" * 70_000), 413, "body_too_large")
    refused(client.get(path, params={"query": "{test}"}), 403, "route_refused")
    form = {"content-type": "application/x-www-form-urlencoded"}
    refused(client.post(path, content=b"query=x", headers=form), 400, "invalid_parameter")
