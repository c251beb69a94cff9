"""Completing an OpenAPI document: credentials, errors, examples."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field

from app.control_plane.reference import openapi
from app.control_plane.reference.openapi import (
    SECURITY,
    calls_mlflow,
    can_be_not_found,
    example,
    operations,
    resolve,
)

DOCUMENT: dict[str, Any] = {
    "paths": {"/a": {"get": {"x": 1}, "post": {"x": 2}}, "/b/{id}": {"delete": {"x": 3}}},
    "components": {
        "schemas": {
            "Leaf": {"type": "string", "examples": ["leaf"]},
            "Alias": {"$ref": "#/components/schemas/Leaf"},
        }
    },
}
LEAF = {"$ref": "#/components/schemas/Leaf"}


def test_operations_are_listed_with_method_and_path() -> None:
    assert list(operations(DOCUMENT)) == [
        ("GET", "/a", {"x": 1}),
        ("POST", "/a", {"x": 2}),
        ("DELETE", "/b/{id}", {"x": 3}),
    ]


def test_references_are_resolved_to_their_end() -> None:
    leaf = DOCUMENT["components"]["schemas"]["Leaf"]
    assert resolve(DOCUMENT, {"$ref": "#/components/schemas/Alias"}) == leaf
    assert resolve(DOCUMENT, {"type": "null"}) == {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (LEAF, "leaf"),
        ({"type": "string", "default": "d"}, "d"),
        ({"enum": ["one", "two"]}, "one"),
        ({"const": "only"}, "only"),
        ({"anyOf": [LEAF, {"type": "null"}]}, "leaf"),
        ({"oneOf": [{"type": "integer"}, LEAF]}, 1),
        ({"type": "array", "items": LEAF}, ["leaf"]),
        ({"type": "string", "format": "date-time"}, "2026-01-31T23:59:59Z"),
        ({"type": "boolean"}, True),
        ({}, "…"),
        (
            {
                "type": "object",
                "required": ["needed"],
                "properties": {
                    "needed": {"type": "number"},
                    "optional": {"anyOf": [LEAF, {"type": "null"}], "default": None},
                    "shown": {"type": "string", "examples": ["s"]},
                    "defaulted": {"type": "integer", "default": 7},
                },
            },
            {"needed": 1.0, "shown": "s", "defaulted": 7},
        ),
    ],
)
def test_an_example_is_the_schemas_own_or_made_of_its_parts(schema: Any, value: Any) -> None:
    assert example(DOCUMENT, schema) == value


PRIVATE: dict[str, Any] = {"security": SECURITY}


@pytest.mark.parametrize(
    ("method", "path", "operation", "calls", "not_found"),
    [
        ("POST", "/api/models/baseline", PRIVATE, True, True),
        ("POST", "/api/attestations", PRIVATE, True, True),
        ("POST", "/api/attestations/verify", {"security": []}, False, False),
        ("GET", "/api/models/{model_id}", PRIVATE, False, True),
        ("GET", "/api/keys", PRIVATE, False, False),
        ("POST", "/api/keys", PRIVATE, False, False),
    ],
)
def test_which_operations_call_mlflow_and_can_find_nothing(
    method: str, path: str, operation: Any, calls: bool, not_found: bool
) -> None:
    assert calls_mlflow(method, path, operation) is calls
    assert can_be_not_found(method, path, operation) is not_found


class Body(BaseModel):
    name: str = Field(examples=["n"])


@pytest.fixture
def completed() -> dict[str, Any]:
    """The document of an application with a public and a private endpoint."""
    api = FastAPI()

    @api.get("/open")
    async def _open() -> Body:
        return Body(name="n")

    @api.post("/things/{id}")
    async def _change(id: int, body: Body) -> Body:  # noqa: A002
        """Change a thing, e.g. its name. It keeps the rest."""
        return body

    openapi.complete(api, frozenset({("GET", "/open")}))
    document = api.openapi()
    assert api.openapi() is document, "it is completed once"
    return document


def test_the_summary_is_the_first_sentence_of_the_description(completed: dict[str, Any]) -> None:
    operation = completed["paths"]["/things/{id}"]["post"]
    assert operation["operationId"] == "change"
    assert operation["summary"] == "Change a thing, e.g. its name"
    assert openapi.summary("one\nline") == "one line"


def test_a_private_operation_needs_a_credential(completed: dict[str, Any]) -> None:
    paths = completed["paths"]
    assert paths["/open"]["get"]["security"] == []
    assert paths["/things/{id}"]["post"]["security"] == SECURITY
    schemes = completed["components"]["securitySchemes"]
    assert {name for one in SECURITY for name in one} == set(schemes)


def test_errors_are_those_that_an_operation_can_have(completed: dict[str, Any]) -> None:
    public = completed["paths"]["/open"]["get"]["responses"]
    assert set(public) == {"200", "400", "429", "500", "503"}
    private = completed["paths"]["/things/{id}"]["post"]["responses"]
    assert set(private) == {"200"} | {
        str(status) for status in (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)
    }
    for status, response in private.items():
        if status != "200":
            assert response == {"$ref": f"#/components/responses/{status}"}
            assert status in completed["components"]["responses"]


def test_fastapis_own_errors_are_removed(completed: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in completed["components"]["schemas"]
    assert "Problem" in completed["components"]["schemas"]


def test_every_json_body_has_an_example(completed: dict[str, Any]) -> None:
    operation = completed["paths"]["/things/{id}"]["post"]
    bodies = (operation["requestBody"], operation["responses"]["200"])
    for body in bodies:
        assert body["content"]["application/json"]["example"] == {"name": "n"}
