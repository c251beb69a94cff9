"""Ambiguous JSON is refused, by the gateway's own endpoints and before anything reaches MLflow."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import strict_json
from app.core.errors import InvalidParameterError
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

OWN, MLFLOW = "/api/keys", "/api/mlflow/api/2.0/mlflow/experiments/create"
BAD = {
    "a key twice": (b'{"name": "a", "name": "b"}', "a key twice"),
    "a key twice, escaped": (b'{"name": "a", "n\\u0061me": "b"}', "a key twice"),
    "a key twice, inside": (b'{"name": "a", "x": [{"b": 1, "b": 1}]}', "a key twice"),
    "UTF-16": ('{"name": "a"}'.encode("utf-16"), "UTF-8"),
    "UTF-16 without a mark": ('{"name": "a"}'.encode("utf-16-le"), "not valid JSON"),
    "UTF-32": ('{"name": "a"}'.encode("utf-32"), "UTF-8"),
    "a byte order mark": (b'\xef\xbb\xbf{"name": "a"}', "not valid JSON"),
    "Latin-1": ('{"name": "\xe4"}'.encode("latin-1"), "UTF-8"),
    "NUL": (b'{"name": "a\\u0000b"}', "NUL"),
    "NUL in a key": (b'{"name": "a", "\\u0000": 1}', "NUL"),
    "half a surrogate pair": (b'{"name": "\\ud800"}', "surrogate"),
    "NaN": (b'{"name": "a", "x": NaN}', "NaN"),
    "Infinity": (b'{"name": "a", "x": -Infinity}', "Infinity"),
    "too deep": (b"[" * 65 + b"]" * 65, "nested"),
    "too many objects": (b"[" + b"{}," * 20_000 + b"{}]", "at most"),
    "two documents": (b'{"name": "a"}{}', "not valid JSON"),
    "an unfinished one": (b'{"name": "a"', "not valid JSON"),
}


@pytest.fixture(scope="module")
def member(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(), **{"Content-Type": "application/json"}) as client:
        yield client


@pytest.mark.parametrize("path", [OWN, MLFLOW])
@pytest.mark.parametrize("name", BAD)
def test_ambiguous_json_is_refused(member: httpx.Client, path: str, name: str) -> None:
    body, word = BAD[name]
    assert word in refused(member.post(path, content=body), 400, "invalid_parameter")["message"]


# Bodies of a route that the gateway does not look into otherwise, by what is wrong with them.
LOST = {
    "half a surrogate pair": b'{"run_id": "a", "key": "b", "value": "\\ud800"}',
    "the other half": b'{"run_id": "a", "key": "b", "value": "x\\uDFFFy"}',
    "two halves in the wrong order": b'{"key": "\\udc00\\ud800"}',
    "NUL": b'{"value": "\\u0000"}',
    "UTF-16": '{"value": "a"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"value": "a"}'.encode("utf-16-le"),
    "half a pair as bytes": b'{"value": "\xed\xa0\x80"}',
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", LOST)
def test_text_that_mlflow_would_lose_is_refused_on_every_route(
    member: httpx.Client, name: str, chunked: bool
) -> None:
    body = iter([LOST[name]]) if chunked else LOST[name]
    answer = member.post("/api/mlflow/api/2.0/mlflow/runs/set-tag", content=body)
    refused(answer, 400, "invalid_parameter")


@pytest.mark.parametrize("value", ["\U0001f600", "\\ud800", "\\\\ud800", "a\u00e4", "ab" * 2000])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_other_text_reaches_mlflow(member: httpx.Client, value: str, ascii_only: bool) -> None:
    path = "/api/mlflow/api/2.0/mlflow"
    created = good(member.post(f"{path}/runs/create", json={"experiment_id": "0"}))
    run = created["run"]["info"]["run_id"]
    tag = json.dumps({"run_id": run, "key": "note", "value": value}, ensure_ascii=ascii_only)
    good(member.post(f"{path}/runs/set-tag", content=tag.encode()))
    tags = good(member.get(f"{path}/runs/get", params={"run_id": run}))["run"]["data"]["tags"]
    assert {"key": "note", "value": value} in tags


@pytest.mark.parametrize("media_type", ["application/json", "Application/Problem+JSON; a=b"])
def test_every_media_type_of_json_is_read_strictly(member: httpx.Client, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = member.post(OWN, content=BAD["NUL"][0], headers=headers)
    refused(answer, 400, "invalid_parameter")


def test_text_that_only_resembles_nul_is_accepted(member: httpx.Client) -> None:
    body = b'{"name": "a\\\\u0000 \\\\ud800 \\ud83d\\ude00"}'
    assert good(member.post(OWN, content=body), 201)["name"] == "a\\u0000 \\ud800 \U0001f600"


@pytest.mark.parametrize(
    "path",
    [
        "/api/mlflow/api/2.0/mlflow/experiments/get-by-name?experiment_name=a%00b",
        "/api/mlflow/api/2.0/mlflow/registered-models/get?name=%00",
        "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/a%00b",
        "/api/models?name=a%00b",
        "/api/models/a%00b",
        "/api/contributors/%00",
        "/api/keys?cursor=%00",
    ],
)
def test_nul_in_a_target_is_refused(member: httpx.Client, path: str) -> None:
    refused(member.get(path), 400, "malformed_request")


@given(st.binary() | st.text().map(str.encode))
def test_the_check_of_text_passes_or_refuses_any_body(body: bytes) -> None:
    with suppress(InvalidParameterError):
        strict_json.check_text(body)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner),
        max_leaves=20,
    ),
    st.booleans(),
)
def test_portable_json_is_parsed_to_its_value(value: Any, ascii_only: bool) -> None:
    assert strict_json.parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0dE+-.1', max_size=60).map(str.encode))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    with suppress(InvalidParameterError):
        value = strict_json.parse(body)
        # What was parsed is valid UTF-8 and has one meaning.
        assert json.loads(body.decode()) == value
