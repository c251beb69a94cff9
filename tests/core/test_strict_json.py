"""Ambiguous JSON is refused, by the gateway's own endpoints and before anything reaches MLflow."""

import json
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import strict_json
from app.core.errors import InvalidParameterError
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

OWN, MLFLOW = "/api/models/baseline", "/api/mlflow/api/2.0/mlflow/experiments/create"
KEYS = "/api/keys"
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
    "too many numbers": (b"[" + b"0," * 50_000 + b"0]", "at most"),
    "too many members": (b"{" + b"".join(b'"%d":0,' % n for n in range(50_000)), "at most"),
    "too many texts": (b'[""' + b' "",""' * 60_000 + b"]", "at most"),
    "too many in an unfinished one": (b'{"a": [' + b'"",' * 50_000 + b'"', "at most"),
    "a long number": (b'{"name": "a", "x": [1, ' + b"1" * 1101 + b"]}", "too long"),
    "a long fraction": (b'{"name": "a", "x": 0.' + b"1" * 1101 + b"}", "too long"),
    "two documents": (b'{"name": "a"}{}', "not valid JSON"),
    "an unfinished one": (b'{"name": "a"', "not valid JSON"),
}


def test_a_text_may_have_any_number_of_digits() -> None:
    document = {"a": "1" * 5000, "2" * 2000: [1.5, 10**1000]}
    assert strict_json.parse(json.dumps(document).encode()) == document


@pytest.fixture(scope="module")
def member(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(), **{"Content-Type": "application/json"}) as client:
        # Now, because the gateway reads MLflow's JSON when it makes the tenant's workspace.
        good(
            client.get("/api/mlflow/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
        )
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
    answer = member.post(KEYS, content=BAD["NUL"][0], headers=headers)
    refused(answer, 400, "invalid_parameter")


def test_text_that_only_resembles_nul_is_accepted(member: httpx.Client) -> None:
    body = b'{"name": "a\\\\u0000 \\\\ud800 \\ud83d\\ude00"}'
    assert good(member.post(KEYS, content=body), 201)["name"] == "a\\u0000 \\ud800 \U0001f600"


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


# As many values as these may be in no body, of any media type, on either plane.
MANY = {
    "numbers": b"[" + b"0," * 300_000 + b"0]",
    "members": b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}",
    "lists": b"[" + b"[]," * 300_000 + b"[]]",
    "texts in one object": b'{"a":[' + b'"\\\\\\"",' * 100_000 + b'""]}',
    "numbers behind a text with quotes": b'["\\"\\\\",' + b"0," * 300_000 + b"0]",
}
MEDIA_TYPES = ["application/json", "text/plain", "application/x+json", "", "multipart/form-data"]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("path", ["/api/attestations/verify", "/api/models/baseline", MLFLOW])
@pytest.mark.parametrize("name", MANY)
def test_values_are_counted_before_anything_is_built(
    member: httpx.Client, monkeypatch: pytest.MonkeyPatch, name: str, path: str, media_type: str
) -> None:
    built: list[int] = []
    loads = json.loads

    def watched(text: str | bytes, **options: Any) -> Any:
        # Other threads of this process read JSON of their own.
        if len(text) < len(MANY[name]) // 2:
            return loads(text, **options)
        return built.append(1)

    monkeypatch.setattr(json, "loads", watched)
    response = member.post(path, content=MANY[name], headers={"Content-Type": media_type})
    monkeypatch.undo()
    assert "at most" in refused(response, 400, "invalid_parameter")["message"]
    assert built == []


def test_text_is_checked_without_building_anything(
    member: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    parser = SimpleNamespace(loads=lambda *_, **__: built.append(1))
    monkeypatch.setattr(strict_json, "json", parser)
    body = b'{"a": "\\ud83d\\ude00", "b": [' + b"[]," * 500_000 + b"[]"
    path = "/api/mlflow/api/2.0/mlflow/runs/set-tag"
    for last, status in ((b"]}", None), (b', "\\ud83d"]}', 400)):
        response = member.post(path, content=body + last)
        assert status is None or response.status_code == status
    monkeypatch.undo()
    assert built == []


def values_in(node: Any) -> int:
    if isinstance(node, dict):
        node = list(node.values())
    return 1 + sum(map(values_in, node)) if isinstance(node, list) else 1


AWKWARD = st.text(st.sampled_from('ab,[]{}":\\ \n\0é') | st.characters(codec="utf-8"), max_size=8)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | AWKWARD,
        lambda inner: st.lists(inner) | st.dictionaries(AWKWARD, inner),
        max_leaves=40,
    ),
    st.booleans(),
    st.sampled_from([None, 0, 2]),
)
def test_the_count_is_that_of_the_parser(value: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    many = values_in(json.loads(body))
    assert strict_json.count_values(body) == many
    strict_json.check_shape(body, max_values=many)
    if many > 1:
        with pytest.raises(InvalidParameterError, match="at most"):
            strict_json.check_shape(body, max_values=many - 1)


@given(st.text(st.sampled_from('\ud800\udbff\udc00\udfff\\au0"\0é\U0001f600')), st.integers(0, 12))
def test_the_check_of_escapes_agrees_with_the_parser(text: str, padding: int) -> None:
    # Long enough that what is checked lies on both sides of the end of a window.
    before = "x" * (64 * 1024 - 12 - padding)
    body = json.dumps(before + text).encode()
    bad = any(c == "\0" or "\ud800" <= c <= "\udfff" for c in json.loads(body))
    with pytest.raises(InvalidParameterError) if bad else nullcontext():
        strict_json.check_text(body)


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
