"""What the OpenAPI document states of requests, and what is listed that it cannot."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from app.control_plane.reference.openapi import operations
from app.rest.request_model import RequestModel
from tests.control_plane.openapi_document import DOCUMENT
from tests.control_plane.reference.schemathesis_run import CONFIG

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
# Of 256 bits, which the numbers of a JSON Schema do not hold exactly in every reader.
UNBOUNDED = {("MintRequestBody", "chain_model_id"), ("BindingRequest", "chain_model_id")}


def listed() -> set[str]:
    """The operations whose refusals of requests that match the schema are listed with a reason."""
    names: set[str] = set()
    for one in tomllib.loads(CONFIG.read_text())["operations"]:
        name = one["include-name"]
        names |= {name} if isinstance(name, str) else set(name)
    return names


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and those inside it, without those that it refers to."""
    yield schema
    inner = [one for union in ("anyOf", "oneOf", "allOf") for one in schema.get(union, ())]
    inner += [schema[name] for name in ("items", "additionalProperties") if name in schema]
    inner += schema.get("patternProperties", {}).values()
    for one in inner:
        if isinstance(one, dict):
            yield from parts(one)


def numbers() -> Iterator[Any]:
    """Each number of a parameter or of a request body."""
    fields = [
        (f"{method} {path}", one["name"], one["schema"])
        for method, path, operation in operations(DOCUMENT)
        for one in operation.get("parameters", ())
    ]
    fields += [
        (name, member, one)
        for name, schema in SCHEMAS.items()
        # Those of request bodies: they refuse unknown members.
        if schema.get("additionalProperties") is False
        for member, one in schema.get("properties", {}).items()
    ]
    for where, name, schema in fields:
        for part in parts(schema):
            if part.get("type") in ("integer", "number") and (where, name) not in UNBOUNDED:
                yield pytest.param(part, id=f"{where} {name}")


def request_models(kind: type[RequestModel] = RequestModel) -> Iterator[type[RequestModel]]:
    for one in kind.__subclasses__():
        if one.__module__.startswith("app."):
            yield one
        yield from request_models(one)


# MLflow's versions are texts, and a number of 256 bits is often written as one.
TEXTS_TOO = {"model_version", "chain_model_id"}
WHOLE_NUMBERS = [
    pytest.param(model, name, id=f"{model.__name__} {name}")
    for model in request_models()
    for name, schema in model.model_json_schema()["properties"].items()
    if any(part.get("type") == "integer" for part in parts(schema))
]


def test_operations_that_are_listed_exist() -> None:
    assert listed() <= {f"{method} {path}" for method, path, _ in operations(DOCUMENT)}


def test_every_list_with_a_cursor_is_listed() -> None:
    with_cursor = {
        f"{method} {path}"
        for method, path, operation in operations(DOCUMENT)
        if any(one["name"] == "cursor" for one in operation.get("parameters", ()))
    }
    assert with_cursor <= listed()
    assert "GET /api/models" in with_cursor


@pytest.mark.parametrize("number", list(numbers()))
def test_the_bounds_of_every_number_are_stated(number: dict[str, Any]) -> None:
    assert {"minimum", "maximum"} <= set(number)


@pytest.mark.parametrize("value", [True, "3"])
@pytest.mark.parametrize(("model", "name"), WHOLE_NUMBERS)
def test_no_whole_number_is_made_of_something_else(
    model: type[RequestModel], name: str, value: object
) -> None:
    if name in TEXTS_TOO and isinstance(value, str):
        return
    with pytest.raises(ValidationError) as refused:
        model.model_validate({name: value})
    assert name in {error["loc"][0] for error in refused.value.errors()}
