"""The response to a wrong request says in plain words what is wrong, and where.

Every operation of the OpenAPI document is sent wrong requests that are made from its own schemas,
so that a new endpoint is covered as soon as it exists.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from app.control_plane.reference.openapi import example, resolve
from app.core.errors import REASONS
from app.core.request.principal import Scope
from app.core.validation_errors import MOST_PROBLEMS
from app.edge.request_rules import METHODS
from tests.control_plane.openapi_document import DOCUMENT, OPERATIONS
from tests.support.gateway import RunningGateway
from tests.support.plain_words import what_is_not_plain

Document = dict[str, Any]

# Is replaced by a number that Python's JSON encoder does not write.
INFINITE = "<infinite>"
SIMPLE: list[Any] = [
    *[None, True, -1, 1.5, 1e308, 10**400, INFINITE],
    *["", "x" * 6000, "two\nlines", "2026-13-45T00:00:00Z"],
]
CONTAINERS: list[Any] = [[], [[]], {}, {"x": 1}]
BODIES = [
    *[b"", b" ", b"{", b"{]", b'{"a": 1,}', b'{"a', b"{'a': 1}", b"{} {}", b"nothing", b"NaN"],
    *[b"null", b"7", b"true", b'"text"', b"[]", b"{}", b"1" * 5000, b"\xff"],
    *[b"[" * 100, b'{"a": ' * 40 + b"1" + b"}" * 40],
    *[b'{"a": 1, "a": 2}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a": "\\z"}'],
    b'{"a": "' + b"x" * 3_000_000 + b'"}',
    b"{" + b",".join(b'"member %d": 1' % number for number in range(300)) + b"}",
    b'{"' + b"x" * 5000 + b'": 1}',
    b'{"list[int]": 1}',
]
TEXTS = ["", " ", "x", "-1", "0", "1.5", "9" * 30, "9" * 5000, "x" * 300, "two\nlines", "\0", "é"]
TIMES = ["2026-01-31", "1769000000", "2026-13-45T00:00:00Z", "2026-01-31T00:00:00"]
NAMES = ["", "two\nlines", "x" * 500, "a/../b", "mlflow.a", "[key]"]
CONTENT_TYPES = ["text/plain", "application/x-www-form-urlencoded", "application/x+json", "json"]


@dataclass(frozen=True)
class Wrong:
    """A wrong or unusual request. is_one: whether at most one thing is wrong with it."""

    method: str
    target: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)
    is_one: bool = False


def bodies(schema: Document) -> Iterator[tuple[Any, bool]]:
    """Wrong and unusual values of a schema; with each, whether at most one thing is wrong."""
    yield from ((value, True) for value in SIMPLE)
    yield from ((value, False) for value in CONTAINERS)
    yield from inside(schema)


def inside(schema: Document) -> Iterator[tuple[Any, bool]]:
    """The same for values of the right type that have something wrong in them."""
    schema = resolve(DOCUMENT, schema)
    for union in ("anyOf", "oneOf"):
        if union in schema and "type" not in schema:
            for one in schema[union]:
                yield from inside(one)
    good = example(DOCUMENT, schema)
    properties = schema.get("properties", {})
    for name, inner in properties.items():
        yield {other: value for other, value in good.items() if other != name}, False
        for value, is_one in bodies(inner):
            yield {**good, name: value}, is_one
    if properties:
        yield {**good, f"{next(iter(properties))}_": 1}, True
        yield {**good, "unknown": 1, "x" * 1000: 1}, False
    if "maxProperties" in schema:
        yield {f"number {number}": 1 for number in range(schema["maxProperties"] + 1)}, False
    members = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    for inner in filter(lambda one: isinstance(one, dict), members):
        for value, is_one in bodies(inner):
            yield {"a": value}, is_one
        for name in NAMES:
            yield {name: example(DOCUMENT, inner)}, False
    if "items" in schema:
        item = example(DOCUMENT, schema["items"])
        for value, is_one in bodies(schema["items"]):
            yield [value], is_one
        yield [item, item], False
        yield [item] * (schema.get("maxItems", 0) + 1), False


def written(value: Any) -> bytes:
    return json.dumps(value).replace(json.dumps(INFINITE), "1e999").encode()


def parameters(method: str, path: str, place: str) -> dict[str, Document]:
    found = DOCUMENT["paths"][path][method.lower()].get("parameters", ())
    return {one["name"]: one["schema"] for one in found if one["in"] == place}


def target(method: str, path: str, **instead: str) -> str:
    """A path with valid parameters, except for the given ones."""
    good = {
        name: quote(str(example(DOCUMENT, schema)))
        for name, schema in parameters(method, path, "path").items()
    }
    return path.format(**{**good, **instead})


def required_query(method: str, path: str) -> dict[str, str]:
    """Valid values of the query parameters that an operation requires."""
    found = DOCUMENT["paths"][path][method.lower()].get("parameters", ())
    return {
        one["name"]: str(example(DOCUMENT, one["schema"]))
        for one in found
        if one["in"] == "query" and one["required"]
    }


def with_query(path: str, *parts: dict[str, str]) -> str:
    """A path with a query of all parts, in which a name may be repeated."""
    query = "&".join(urlencode(part, quote_via=quote) for part in parts if part)
    return f"{path}?{query}" if query else path


def wrong_requests(method: str, path: str) -> Iterator[Wrong]:
    content = DOCUMENT["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
    media = content.get("application/json")
    body = written(media["example"]) if media else None
    query = required_query(method, path)
    here = with_query(target(method, path), query)
    for name in parameters(method, path, "path"):
        for text in [*TEXTS, "0x12", "verify"]:
            changed = target(method, path, **{name: quote(text, safe="")})
            yield Wrong(method, with_query(changed, query), body, is_one=True)
        yield Wrong(method, with_query(target(method, path, **{name: "%ff"}), query), body)
    for name in parameters(method, path, "query"):
        for text in [*TEXTS, *TIMES]:
            changed = with_query(target(method, path), {**query, name: text})
            yield Wrong(method, changed, body, is_one=True)
        twice = with_query(target(method, path), {**query, name: text}, {name: text})
        yield Wrong(method, twice, body)
    for name in parameters(method, path, "header"):
        for text in ("", "x" * 256):
            yield Wrong(method, here, body, {name: text}, is_one=True)
    unknown = with_query(target(method, path), query, {"unknown": "1", "x" * 1000: "1"})
    yield Wrong(method, unknown, body)
    if media is not None:
        yield from (Wrong(method, here, given) for given in BODIES)
        yield from (Wrong(method, here, body, {"Content-Type": kind}) for kind in CONTENT_TYPES)
        for value, is_one in bodies(media["schema"]):
            yield Wrong(method, here, written(value), is_one=is_one)


def faults(sent: Wrong, response: httpx.Response) -> Iterator[str]:
    """What is wrong with how a request was refused."""
    if response.status_code < 400:
        return
    if response.status_code >= 500:
        yield f"status {response.status_code}"
    if response.headers["content-type"] != "application/problem+json":
        yield f"content-type {response.headers['content-type']}"
    problem = response.json()
    message = problem["message"]
    if not (
        problem["status"] == response.status_code
        and problem["type"] == f"urn:hokusai:problem:{problem['reason']}"
        and problem["reason"] in REASONS
        and problem["title"]
        and problem["error_code"]
        and problem["detail"] == message
        and message.strip()
    ):
        yield f"the shape of {problem}"
    if len(message) > 10_000:
        yield f"a message of {len(message)} characters"
    yield from what_is_not_plain(message)
    problems = problem.get("problems", [])
    if len(problems) > (1 if sent.is_one else MOST_PROBLEMS):
        yield f"{len(problems)} problems where one thing is wrong"
    for one in problems:
        if set(one) != {"where", "problem"} or not is_sent(sent, **one):
            yield f"no such place: {one}"


def is_sent(sent: Wrong, where: str, problem: str) -> bool:
    """Whether a place exists in the request, or is that of a missing member."""
    part, rest = re.fullmatch(r"(\w+)(.*)", where, re.DOTALL).groups()  # type: ignore[union-attr]
    if part != "body":
        return bool(re.fullmatch(r'\.[\w-]+|\["x+…"\]', rest))
    steps = [
        json.loads(f'"{name}"') if name else json.loads(bracketed)
        for name, bracketed in re.findall(r'\.([\w-]+)|\[(\d+|"(?:[^"\\]|\\.)*")\]', rest)
    ]
    assert len("".join(map(str, steps))) <= len(rest)
    try:
        found = json.loads(sent.body or b"null")
        for number, step in enumerate(steps):
            if number == len(steps) - 1 and problem.startswith("is missing"):
                return step not in found
            if isinstance(step, str) and step.endswith("…"):
                found = next(found[name] for name in found if name.startswith(step[:-1]))
            else:
                found = found[step]
    except (LookupError, TypeError, StopIteration):
        return False
    return True


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client with all scopes."""
    key = gateway.key(scopes=list(Scope))
    with gateway.client(key, **{"Content-Type": "application/json"}) as client:
        yield client


def send(client: httpx.Client, sent: Wrong) -> httpx.Response:
    return client.request(sent.method, sent.target, content=sent.body, headers=sent.headers)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_refusal_is_in_plain_words(client: httpx.Client, method: str, path: str) -> None:
    found = {
        fault: (response.text[:1000], sent.target[:200], (sent.body or b"")[:500])
        for sent in wrong_requests(method, path)
        for response in [send(client, sent)]
        for fault in faults(sent, response)
    }
    assert found == {}


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_wrong_method_is_refused_in_plain_words(client: httpx.Client, path: str) -> None:
    known = DOCUMENT["paths"][path]
    for method in METHODS - {"HEAD", *map(str.upper, known)}:
        sent = Wrong(method, target(next(iter(known)), path), b"{}")
        assert list(faults(sent, send(client, sent))) == [], method


def test_each_alternative_of_a_union_is_explained_alone(client: httpx.Client) -> None:
    run = {"improved_run_id": "5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10"}
    weight = {"weight_bps": 0}
    baseline = {"baseline": {"a": 1}, "improvd": {"a": 1}}
    for given, problems in (
        ({"data_contribution": weight}, {"body.data_contribution.weight_bps": "from 1 to 10000"}),
        ({"data_contribution": [{}, weight]}, {"body.data_contribution[1].weight_bps": "from 1"}),
        ({"data_contribution": 7}, {"body.data_contribution": "members or a list of 1 to 500"}),
        ({"data_contribution": []}, {"body.data_contribution": "must be a list of 1 to 500"}),
        ({"metrics": {"a": "1"}}, {"body.metrics.a": "must be a number"}),
        ({"metrics": "1"}, {"body.metrics": "must be a JSON object"}),
        ({"metrics": {"\n": 1}}, {'body.metrics["\\n"]': "the name must be one line"}),
        (
            {"model_version": []},
            {"body.model_version": "must be text of 1 to 200 characters or a whole number"},
        ),
        (
            {"metrics": baseline},
            {
                "body.metrics.improved": "is missing",
                "body.metrics.improvd": "did you mean improved",
            },
        ),
    ):
        response = client.post("/api/attestations", json={**run, **given})
        found = {one["where"]: one["problem"] for one in response.json()["problems"]}
        assert set(found) == set(problems), given
        for where, words in problems.items():
            assert words in found[where]


def test_for_an_unknown_member_the_known_ones_are_listed(client: httpx.Client) -> None:
    response = client.post("/api/keys", json={"name": "n", "scope": ["read"]})
    (problem,) = response.json()["problems"]
    assert problem["where"] == "body.scope"
    assert "did you mean scopes?" in problem["problem"]
    assert "name, allowed_networks, scopes, rate_limit, expires_in_days, siwe" in problem["problem"]
    response = client.get("/api/models", params={"Limit": 5})
    assert "query parameter Limit: is not known here: did you mean limit?" in response.text


def test_what_is_wrong_is_said_with_what_would_be_right(client: httpx.Client) -> None:
    response = client.get("/api/keys", params={"limit": "many"})
    assert response.json()["problems"] == [
        {"where": "query.limit", "problem": "must be a whole number from 1 to 1000"}
    ]
    assert response.json()["message"] == (
        "query parameter limit: must be a whole number from 1 to 1000"
    )
    response = client.post("/api/keys", json={"name": "n", "scopes": ["root"]})
    assert response.json()["message"] == (
        "body.scopes[0]: must be one of read, write, register, attest, admin"
    )
    response = client.get("/api/attestations/ABC")
    assert response.json()["message"] == (
        "path parameter digest: must be 64 hexadecimal digits in lower case"
    )


def test_no_more_problems_than_a_person_reads(client: httpx.Client) -> None:
    response = client.post("/api/keys", json={f"member {number}": 1 for number in range(90)})
    problem = response.json()
    assert len(problem["problems"]) == MOST_PROBLEMS
    # `name` is missing as well.
    assert problem["message"].endswith(f"; and {91 - MOST_PROBLEMS} more")
