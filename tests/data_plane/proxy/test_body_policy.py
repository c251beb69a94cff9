"""The body policy: the alias of experiment 0, forbidden fields, model sources, strict JSON."""

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidParameterError
from app.core.strict_json import MAX_DEPTH
from app.data_plane.proxy.body_policy import (
    check_source,
    inspect,
    inspect_parameters,
    rewrite_experiment,
    rewrite_query,
)
from app.data_plane.proxy.json_fields import parse
from app.data_plane.proxy.manifest import Route, load_manifest

MANIFEST = load_manifest()
V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"


def route(method: str, path: str) -> Route:
    return MANIFEST.match(method, path).route


def sent(method: str, path: str, document: Any) -> Any:
    body = json.dumps(document).encode()
    return json.loads(inspect(route(method, path), body, "42", "alice").body)


SPAN_LOCATION = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (V2 + "/runs/create", {"experiment_id": "0", "tags": []}),
        (V2 + "/runs/create", {"experimentId": "0"}),
        (V2 + "/runs/create", {"experiment_id": 0}),
        (V2 + "/runs/search", {"experiment_ids": ["7", "0"]}),
        (V2 + "/experiments/update", {"experiment_id": "0", "new_name": "x"}),
        (V2 + "/logged-models", {"experiment_id": "0", "name": "m"}),
        (V2 + "/logged-models/search", {"experiment_ids": ["0"]}),
        (V2 + "/traces", {"experiment_id": "0"}),
        (V3 + "/traces", {"trace": {"trace_info": {"trace_location": SPAN_LOCATION}}}),
        (V3 + "/traces/search", {"locations": [SPAN_LOCATION, SPAN_LOCATION]}),
        (V3 + "/traces/search", {"locations": [{"mlflowExperiment": {"experimentId": "0"}}]}),
        (V3 + "/datasets/create", {"name": "d", "experiment_ids": ["0"]}),
        (V3 + "/issues", {"experiment_id": "0"}),
        (V3 + "/label-schemas/create", {"experiment_id": "0"}),
    ],
)
def test_experiment_0_becomes_the_tenants_default(path: str, document: Any) -> None:
    expected = json.dumps(document).replace('"0"', '"42"').replace('_id": 0', '_id": "42"')
    assert sent("POST", path, document) == json.loads(expected)


@pytest.mark.parametrize("document", [{}, {"experiment_id": ""}, {"experimentId": None}])
def test_a_run_without_an_experiment_goes_to_the_default(document: Any) -> None:
    assert sent("POST", V2 + "/runs/create", document) == {"experiment_id": "42"}
    assert inspect(route("POST", V2 + "/runs/create"), b"", "42", "alice").body


@pytest.mark.parametrize(
    "body",
    [
        b'{ "experiment_id":"1" , "x": 1.0e2, "\\u0065":"0"}',
        b'{"experiment_id": "00"}',
        b'{"experiment_id": false}',
        b'{"experiment_id": 0.0}',
        b'{"experiment_id": ["0"]}',
        b'{"experiment_id": "1", "run_name": "0", "tags": [{"key": "0", "value": "0"}]}',
    ],
)
def test_a_body_without_changes_keeps_its_bytes(body: bytes) -> None:
    assert inspect(route("POST", V2 + "/runs/create"), body, "42", "alice").body is body


@given(st.recursive(st.sampled_from(["0", 0, None, "1", "experiment_id"]), st.lists, max_leaves=5))
def test_unexpected_shapes_neither_fail_nor_change(value: Any) -> None:
    for path in ("/traces", "/traces/search"):
        for document in ({"trace": value}, {"locations": value}, {"locations": [value]}):
            assert sent("POST", V3 + path, document) == document


def test_every_alias_of_the_manifest_is_replaced() -> None:
    """Each field that the manifest marks, in both spellings, in a body built from its path."""

    def build(steps: list[str], camel: bool) -> Any:
        if not steps:
            return "0"
        name = steps[0].removesuffix("[]")
        if camel:
            head, *rest = name.split("_")
            name = head + "".join(part.title() for part in rest)
        inner = build(steps[1:], camel)
        return {name: [inner] if steps[0].endswith("[]") else inner}

    fields = [(r, field) for r in MANIFEST.routes for field in r.experiments]
    assert len(fields) > 20
    for marked, field in fields:
        for camel in (False, True):
            body = json.dumps(build(field.split("."), camel)).encode()
            assert inspect(marked, body, "42", "alice").body == body.replace(b'"0"', b'"42"')


def test_queries_are_replaced_and_the_rest_kept() -> None:
    one = route("GET", V2 + "/experiments/get")
    assert rewrite_query(one, b"experiment_id=0", "42") == b"experiment_id=42"
    assert rewrite_query(one, b"a=%2f&experiment_id=%30&&b", "42") == b"a=%2f&experiment_id=42&&b"
    assert rewrite_query(one, b"experiment%5Fid=0", "42") == b"experiment%5Fid=42"
    many = route("GET", V2 + "/traces")
    assert (
        rewrite_query(many, b"experiment_ids=0&experiment_ids=10&max_results=0", "42")
        == b"experiment_ids=42&experiment_ids=10&max_results=0"
    )
    other = route("GET", V2 + "/runs/get")
    assert rewrite_query(other, b"experiment_id=0", "42") == b"experiment_id=0"


@pytest.mark.parametrize("name", ["experiment_id", "experimentId"])
@pytest.mark.parametrize("value", ["0", 0])
def test_the_parameters_in_the_body_of_a_get_are_replaced(name: str, value: object) -> None:
    one = route("GET", V2 + "/experiments/get")
    body = inspect_parameters(one, json.dumps({name: value, "x": "0"}).encode(), b"", "42")
    assert json.loads(body) == {name: "42", "x": "0"}


@pytest.mark.parametrize("name", ["experiment_ids", "experimentIds"])
def test_every_id_in_the_body_of_a_get_is_replaced(name: str) -> None:
    many = route("GET", V2 + "/traces")
    body = inspect_parameters(many, json.dumps({name: ["0", "10", 0]}).encode(), b"", "42")
    assert json.loads(body) == {name: ["42", "10", "42"]}


def test_the_body_of_a_get_keeps_its_bytes_and_excludes_a_query() -> None:
    one = route("GET", V2 + "/runs/get")
    body = b'{ "run_id":"0" }'
    assert inspect_parameters(one, body, b"", "42") is body
    for empty in (b"", b" ", b"{}"):
        assert inspect_parameters(one, empty, b"run_id=1", "42") == b""
    for query in (b"run_id=0", b"&", b"x"):
        with pytest.raises(InvalidParameterError, match="this one has both"):
            inspect_parameters(one, body, query, "42")
    for malformed in (
        b'{"run_id": "0", "run_id": "1"}',
        b'"{}"',
        b"[1]",
        b"null",
        "{}".encode("utf-16"),
    ):
        with pytest.raises(InvalidParameterError):
            inspect_parameters(one, malformed, b"", "42")


@given(st.lists(st.tuples(st.sampled_from(["experiment_id", "x"]), st.sampled_from("01é&=%"))))
def test_a_rewritten_query_differs_in_the_alias_only(pairs: list[tuple[str, str]]) -> None:
    query = urlencode(pairs).encode()
    result = rewrite_query(route("GET", V2 + "/experiments/get"), query, "42")
    expected = [(n, "42" if n == "experiment_id" and v == "0" else v) for n, v in pairs]
    assert parse_qsl(result.decode(), keep_blank_values=True) == expected


def test_the_header_of_a_span_export_is_replaced() -> None:
    assert route("POST", "/v1/traces").experiment_header == b"x-mlflow-experiment-id"
    assert rewrite_experiment(b"0", "42") == b"42"
    assert rewrite_experiment(b"10", "42") == b"10"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[]", "JSON object"),
        (b'"{}"', "JSON object"),
        (b"null", "JSON object"),
        (b"{", "not valid JSON"),
        (b"{} {}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "a key twice"),
        (b'{"a": "\xff"}', "UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not valid JSON"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "too deeply"),
        (b'{"a":' + b"[" * 200_000, "objects and lists"),
        (b'{"a":' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_json_is_read_strictly(body: bytes, problem: str) -> None:
    with pytest.raises(InvalidParameterError, match=problem):
        parse(body)


def test_brackets_in_strings_do_not_count_as_nesting() -> None:
    text = '\\"{[' * 100
    assert parse(json.dumps({"a": text}).encode()) == {"a": text}


def test_wide_and_moderately_nested_json_is_accepted() -> None:
    deep = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert "a" in parse(deep)
    assert len(parse(b'{"a":[' + b"{}," * 500 + b"{}]}")["a"]) == 501


def test_a_number_beyond_a_double_is_refused_in_a_body_that_is_rewritten() -> None:
    with pytest.raises(InvalidParameterError, match="too large"):
        inspect(route("POST", V2 + "/runs/create"), b'{"start_time": 1e999}', "42", "alice")


@pytest.mark.parametrize("name", ["artifact_location", "artifactLocation"])
def test_the_artifact_location_of_an_experiment_cannot_be_chosen(name: str) -> None:
    path = V2 + "/experiments/create"
    for value in ("file:///etc", "s3://b/x", 1, ["x"], False):
        with pytest.raises(InvalidParameterError, match="artifact_location"):
            sent("POST", path, {"name": "x", name: value})
    assert sent("POST", path, {"name": "x", name: ""}) == {"name": "x", name: ""}


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("version", [V2, V3])
def test_tags_that_say_where_a_trace_is_stored_are_refused(method: str, version: str) -> None:
    path = version + "/traces/tr-1/tags"
    with pytest.raises(InvalidParameterError, match="artifactLocation"):
        sent(method, path, {"key": "mlflow.artifactLocation", "value": "file:///etc"})
    assert sent(method, path, {"key": "colour", "value": "red"})["key"] == "colour"


@pytest.mark.parametrize(
    "source",
    [
        "runs:/0123abcd/model",
        "runs:/0123abcd/a dir/model",
        "models:/m-0123",
        "models:/my_model/3",
        "models:/my_model@champion",
        "mlflow-artifacts:/workspaces/alice/1/0123/artifacts/model",
    ],
)
def test_sources_that_the_stock_client_sends_are_accepted(source: str) -> None:
    check_source(source, "alice")
    document = {"name": "m", "source": source, "run_id": "0123abcd"}
    assert sent("POST", V2 + "/model-versions/create", document) == document


FOREIGN = [
    "mlflow-artifacts:/workspaces/bob/1/0123/artifacts/model",
    "mlflow-artifacts:/workspaces/alice%2F..%2Fbob/1",
    "mlflow-artifacts:/workspaces/alice/../bob/1",
    "mlflow-artifacts:/workspaces/alice/%252e%252e/bob/1",
    "mlflow-artifacts:/workspaces/alice/./1",
    "mlflow-artifacts:/workspaces/alicex/1",
    "mlflow-artifacts:/workspaces/Alice/1",
    "mlflow-artifacts:/workspaces/alice?/1",
    "mlflow-artifacts:/workspaces/alice#/1",
    "mlflow-artifacts:/workspaces",
    "mlflow-artifacts:/1/0123/artifacts",
    "mlflow-artifacts:workspaces/alice/1",
    "mlflow-artifacts://host:5000/workspaces/alice/1",
    "mlflow-artifacts:///workspaces/alice/1",
    "runs://profile@databricks/0123/model",
    "runs:/0123/../4567/model",
    "runs:/0123\\..\\4567",
    "models:/m/1\n",
    "models:/m/1%00",
    "MODELS:/m/1",
    " models:/m/1",
    "runs%3A/0123/model",
    "s3://bucket/x",
    "dbfs:/x",
    "gs://b/x",
    "http://evil.example/x",
    "file:///etc",
    "/etc/passwd",
    "../x",
    "x",
    "",
    "runs:/" + "x" * 3000,
    "runs:/" + "%" + "25" * 100_000,
]


@pytest.mark.parametrize("source", FOREIGN, ids=lambda source: source[:60])
def test_sources_outside_of_the_tenant_are_refused(source: str) -> None:
    with pytest.raises(InvalidParameterError, match="source"):
        sent("POST", V2 + "/model-versions/create", {"name": "m", "source": source})


@pytest.mark.parametrize("source", [1, ["runs:/a/b"], {"a": 1}, True])
def test_a_source_must_be_a_string(source: object) -> None:
    with pytest.raises(InvalidParameterError, match="source"):
        check_source(source, "alice")


def test_shared_tenancy_and_the_default_workspace_keep_older_artifacts() -> None:
    check_source("mlflow-artifacts:/1/0123/artifacts/model", "")
    check_source("mlflow-artifacts:/1/0123/artifacts/model", "default")
    with pytest.raises(InvalidParameterError):
        check_source("mlflow-artifacts:/workspaces/bob/1", "default")


@given(
    st.sampled_from(["bob", "../bob", "alice/../bob", "./bob"]),
    st.integers(min_value=0, max_value=5),
    st.text(max_size=10),
)
def test_no_encoding_of_a_foreign_workspace_passes(target: str, rounds: int, tail: str) -> None:
    text = f"workspaces/{target}/{tail}"
    for _ in range(rounds):
        text = quote(text, safe="")
    with pytest.raises(InvalidParameterError):
        check_source("mlflow-artifacts:/" + text, "alice")


@pytest.mark.parametrize("tags", [[{"key": "mlflow.prompt.is_prompt", "value": "true"}], [], None])
def test_only_a_prompt_may_have_a_placeholder_source(tags: Any) -> None:
    body = json.dumps({"name": "p", "source": "dummy-source", "tags": tags}).encode()
    create = route("POST", V2 + "/model-versions/create")
    if tags:
        assert inspect(create, body, "42", "alice").body == body
    else:
        with pytest.raises(InvalidParameterError, match="source must be"):
            inspect(create, body, "42", "alice")


def test_a_source_is_checked_with_and_without_a_model_id() -> None:
    with pytest.raises(InvalidParameterError, match="source must be"):
        inspect(route("POST", V2 + "/model-versions/create"), b'{"source": "s3://x"}', "42", "a")


def test_a_body_of_very_many_objects_is_refused_before_parsing() -> None:
    with pytest.raises(InvalidParameterError, match="objects and lists"):
        parse(b'{"a": [' + b"{}," * 30_000 + b"{}]}")
