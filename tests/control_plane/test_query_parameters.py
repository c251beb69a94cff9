"""Every operation refuses query parameters that it does not know, and those given twice."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.core.request.principal import Scope
from app.core.validation_errors import MOST_PROBLEMS
from tests.control_plane.openapi_document import DOCUMENT, OPERATIONS
from tests.support.gateway import RunningGateway
from tests.support.responses import refused


@pytest.fixture(scope="module")
def gateway(new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    """A gateway that needs no MLflow for this."""
    with RunningGateway(new_database(), "http://127.0.0.1:9") as running:
        yield running


def parameters(method: str, path: str) -> list[str]:
    found: list[dict[str, Any]] = DOCUMENT["paths"][path][method.lower()].get("parameters", [])
    return [one["name"] for one in found if one["in"] == "query"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named(
    gateway: RunningGateway, method: str, path: str
) -> None:
    known = parameters(method, path)
    target = re.sub(r"\{\w+\}", "x", path)
    with gateway.client(gateway.key(scopes=list(Scope))) as client:
        response = client.request(method, target, params={"stat e": "x"})
        refused(response, 422, "validation_failed")
        (problem,) = response.json()["problems"]
        assert problem["where"] == 'query["stat e"]'
        named = problem["problem"].partition("Possible here: ")[2]
        assert [name for name in named.split(", ") if name] == known
        for name in known:
            twice = client.request(method, target, params=[(name, "1"), (name, "2")])
            refused(twice, 422, "validation_failed")
            assert twice.json()["problems"] == [
                {"where": f"query.{name}", "problem": "is given more than once"}
            ]


def test_a_page_without_parameters_refuses_them_too(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        for path in ("/", "/docs", "/openapi.json"):
            refused(client.get(path, params={"x": ""}), 422, "validation_failed")


def test_a_near_miss_is_asked_about_and_a_secret_is_not_repeated(gateway: RunningGateway) -> None:
    key = gateway.key()
    with gateway.client(key) as client:
        near = client.get("/api/models", params={"kinds": "baseline"}).json()["message"]
        assert "did you mean kind?" in near
        response = client.get("/api/models", params={key: "x", **{f"x{n}": "" for n in range(50)}})
    refused(response, 422, "validation_failed")
    assert key not in response.text
    assert len(response.json()["problems"]) == MOST_PROBLEMS
