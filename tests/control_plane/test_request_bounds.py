"""Every part of a request to Hokusai's own endpoints has a bound, and so has the refusal."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.access.identity.schemas import TokenRequest
from app.control_plane.reference.openapi import example, resolve
from app.core.request.principal import Scope
from app.core.validation_errors import MOST_PROBLEMS
from app.rest.request_model import MAX_MEMBERS
from tests.control_plane.openapi_document import DOCUMENT, OPERATIONS
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

Document = dict[str, Any]
# The largest refusal, in bytes: 20 problems, each twice in words.
MOST_BYTES = 64 * 1024


# It has 256 bits. FastAPI writes bounds as floats, which would make this one too large by one.
STATED_IN_WORDS = {"body.chain_model_id: whole number"}


def schemas(method: str, path: str) -> Iterator[tuple[str, Document]]:
    """Those of an operation's parameters and body, by name."""
    operation = DOCUMENT["paths"][path][method.lower()]
    for parameter in operation.get("parameters", ()):
        yield parameter["name"], parameter["schema"]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield "body", media["schema"]


def unbounded(name: str, schema: Document) -> Iterator[str]:
    """The names of whole numbers, texts, lists and maps within a schema that have no bound."""
    schema = resolve(DOCUMENT, schema)
    for union in ("anyOf", "oneOf"):
        if union in schema and "type" not in schema:
            for one in schema[union]:
                yield from unbounded(name, one)
    kind = schema.get("type")
    if kind == "string":
        is_chosen = "enum" in schema or "const" in schema or schema.get("format") == "date-time"
        if not is_chosen and "maxLength" not in schema:
            yield f"{name}: text"
    elif kind == "integer":
        if not {"const", "enum"} & set(schema) and not {"minimum", "maximum"} <= set(schema):
            yield f"{name}: whole number"
    elif kind == "array":
        if "maxItems" not in schema:
            yield f"{name}: list"
        yield from unbounded(f"{name}[]", schema.get("items", {}))
    elif kind == "object":
        members = [*schema.get("patternProperties", {}).values()]
        if schema.get("additionalProperties", True) is not False:
            members.append(schema.get("additionalProperties", True))
        if members and "maxProperties" not in schema:
            yield f"{name}: map"
        if "propertyNames" in schema:
            yield from unbounded(f"{name}.name", {"type": "string", **schema["propertyNames"]})
        for member, inner in schema.get("properties", {}).items():
            yield from unbounded(f"{name}.{member}", inner)
        for inner in members:
            if isinstance(inner, dict):
                yield from unbounded(f"{name}.*", inner)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_part_of_a_request_has_a_bound(method: str, path: str) -> None:
    found = {one for name, schema in schemas(method, path) for one in unbounded(name, schema)}
    assert found <= STATED_IN_WORDS


def test_what_has_no_bound_is_found() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
            "c": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 1}},
            "d": {"type": "string", "enum": ["x"]},
            "e": {"type": "integer", "minimum": 0},
        },
        "additionalProperties": False,
    }
    assert list(unbounded("", schema)) == [
        *(".a: text", ".b: list", ".b[]: text", ".c: map"),
        ".e: whole number",
    ]


# Of nothing that exists.


def target(path: str) -> str:
    """A path with valid parameters, which name nothing."""
    values = {"digest": "0" * 64, "number": "1"}
    return re.sub(r"\{(\w+)\}", lambda name: values.get(name[1], "a"), path)


WITH_BODY = [
    (method, path, schema)
    for method, path in OPERATIONS
    for name, schema in schemas(method, path)
    if name == "body"
]


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=list(Scope))) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "schema"), WITH_BODY)
@pytest.mark.parametrize("many", [MAX_MEMBERS, MAX_MEMBERS + 1, 2000, 19_000])
def test_unknown_members_cause_few_problems(
    client: httpx.Client, method: str, path: str, schema: Document, many: int
) -> None:
    body = dict.fromkeys((f"{number:x}" for number in range(many)), 0)
    response = client.request(method, target(path), json=body)
    assert len(response.content) < MOST_BYTES
    if response.status_code == 413:  # where documents have 16 KiB at most
        return
    problem = refused(response, 422, "validation_failed") if response.status_code == 422 else {}
    # An endpoint that takes any members need not refuse them.
    problems = problem.get("problems", [])
    assert len(problems) <= MOST_PROBLEMS
    if many > MAX_MEMBERS and problems:
        assert [one["problem"] for one in problems] == [
            f"must have at most {MAX_MEMBERS} members, and has {many:,}"
        ]


def good_body(path: str) -> Document:
    """The example of a request's body."""
    body: Document = copy.deepcopy(example(DOCUMENT, dict(schemas("POST", path))["body"]))
    return body


@pytest.mark.parametrize("place", ["metrics", "higher_is_better", "additional_tags"])
def test_a_map_with_too_many_entries_is_one_problem(client: httpx.Client, place: str) -> None:
    body = good_body("/api/models/tokenized")
    body[place] = dict.fromkeys((str(number) for number in range(5000)), "wrong")
    problem = refused(client.post("/api/models/tokenized", json=body), 422, "validation_failed")
    assert [one["where"] for one in problem["problems"]] == [f"body.{place}"]
    assert "of at most" in problem["message"]


def test_a_list_with_too_many_entries_is_few_problems(client: httpx.Client) -> None:
    body = good_body("/api/models/improved")
    body["data_contribution"] = [{"weight_bps": 0}] * 6000
    response = client.post("/api/models/improved", json=body)
    problem = refused(response, 422, "validation_failed")
    assert len(problem["problems"]) <= MOST_PROBLEMS
    assert len(response.content) < MOST_BYTES


def test_the_rest_of_many_problems_is_counted(client: httpx.Client) -> None:
    body = good_body("/api/models/improved")
    body["data_contribution"] = [{"weight_bps": 0}] * 400
    problem = refused(client.post("/api/models/improved", json=body), 422, "validation_failed")
    assert len(problem["problems"]) == MOST_PROBLEMS
    assert problem["message"].endswith(f"; and {400 - MOST_PROBLEMS} more")


@pytest.mark.parametrize(("method", "path", "schema"), WITH_BODY)
def test_a_problem_does_not_repeat_long_text(
    client: httpx.Client, method: str, path: str, schema: Document
) -> None:
    texts = ["x" * 12_000, "é" * 5000, {"x" * 12_000: 1}, ["x" * 12_000]]
    for name in resolve(DOCUMENT, schema).get("properties", {"hash": {}}):
        for text in texts:
            body = {name: text}
            response = client.request(method, target(path), json=body)
            assert "x" * 400 not in response.text
            assert "é" * 400 not in json.dumps(response.json(), ensure_ascii=False)
            assert len(response.content) < MOST_BYTES


def test_a_verification_repeats_no_long_text(client: httpx.Client) -> None:
    signature = {
        "signer": "x" * 100_000,
        "signature": "y",
        "message": {},
        "domain": {},
        "primaryType": ["z"] * 9_000,
        "types": {},
    }
    document = {"hash": "0" * 64, "bytes": "{}", "signature": signature, "log": {"entry": "[" * 9}}
    response = client.post("/api/attestations/verify", json=document)
    assert good(response)["valid"] is False
    assert len(response.content) < 8_000


@pytest.mark.parametrize("place", ["bytes", "log"])
def test_json_within_a_text_is_bounded_too(client: httpx.Client, place: str) -> None:
    text = "[" + "0," * 100_000 + "0]"
    document = {"hash": "0" * 64, "bytes": "{}", "log": {"entry": text}} | (
        {"bytes": text} if place == "bytes" else {}
    )
    checks = good(client.post("/api/attestations/verify", json=document))["checks"]
    assert checks["hash" if place == "bytes" else "inclusion"]["ok"] is False


def test_the_example_of_the_longest_message_fits() -> None:
    """What is bounded in bytes as a whole has room for the longest text in it."""
    assert (
        len(TokenRequest(message="x" * 4096, signature="0x" + "a" * 130).model_dump_json()) < 8192
    )
