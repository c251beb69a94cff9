"""What the gateway asks of MLflow, and what it makes of the answers; MLflow is played by respx."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import pytest
import respx

from app.core.errors import UpstreamError
from app.mlflow.client import MLflowClient

T = TypeVar("T")
URL = "http://mlflow.test"
WORKSPACES = "/api/3.0/mlflow/workspaces"
EXPERIMENTS = "/api/2.0/mlflow/experiments"
EXISTS = httpx.Response(400, json={"error_code": "RESOURCE_ALREADY_EXISTS", "message": "It is."})


def ask(router: respx.Router, question: Callable[[MLflowClient], Awaitable[T]]) -> T:
    """The answer to one question, and the credential on every request that it took."""

    async def run() -> T:
        transport = httpx.MockTransport(router.async_handler)
        control = MLflowClient(URL, transport, authorization="Basic c2VjcmV0")
        try:
            return await question(control)
        finally:
            await control.close()

    answer = asyncio.run(run())
    assert all(call.request.headers["authorization"] == "Basic c2VjcmV0" for call in router.calls)
    return answer


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(base_url=URL, assert_all_called=True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"workspaces_enabled": True}), True),
        (httpx.Response(200, json={"workspaces_enabled": False}), False),
        (httpx.Response(200, json={}), False),
        (httpx.Response(404, text="Not Found"), False),
    ],
)
def test_workspaces_are_on_only_where_mlflow_says_so(
    router: respx.Router, answer: httpx.Response, expected: bool
) -> None:
    router.get("/api/3.0/mlflow/server-info").mock(answer)
    assert ask(router, MLflowClient.has_workspaces) is expected


@pytest.mark.parametrize("answer", [httpx.Response(201, json={"workspace": {}}), EXISTS])
def test_a_workspace_that_exists_is_as_good_as_a_new_one(
    router: respx.Router, answer: httpx.Response
) -> None:
    route = router.post(WORKSPACES, json={"name": "acme"}).mock(answer)
    ask(router, lambda control: control.make_workspace("acme"))
    assert route.call_count == 1


def test_the_default_experiment_is_found_where_it_cannot_be_made(router: respx.Router) -> None:
    workspace = {"X-MLFLOW-WORKSPACE": "acme"}
    router.post(f"{EXPERIMENTS}/create", headers=workspace).mock(EXISTS)
    router.get(
        f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "Default"}, headers=workspace
    ).respond(json={"experiment": {"experiment_id": "7"}})
    assert ask(router, lambda control: control.default_experiment("acme")) == "7"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="<html>"),
        httpx.Response(401, json={"error_code": "UNAUTHENTICATED", "message": "Who?"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["a list"]),
    ],
)
def test_an_answer_that_helps_nobody_is_an_upstream_error(
    router: respx.Router, answer: httpx.Response
) -> None:
    router.post(WORKSPACES).mock(answer)
    with pytest.raises(UpstreamError, match=WORKSPACES):
        ask(router, lambda control: control.make_workspace("acme"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"model": {}}), True),
        (httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}), False),
    ],
)
def test_a_model_is_looked_for_in_the_workspace(
    router: respx.Router, answer: httpx.Response, expected: bool
) -> None:
    router.get("/api/2.0/mlflow/logged-models/m-1", headers={"X-MLFLOW-WORKSPACE": "acme"}).mock(
        answer
    )
    assert ask(router, lambda control: control.has_model("acme", "m-1")) is expected


@pytest.mark.parametrize("name", ["../runs/get", "m/1", "", "m-1?x", "m" * 101])
def test_what_is_no_model_id_is_not_asked_for(router: respx.Router, name: str) -> None:
    assert ask(router, lambda control: control.has_model("acme", name)) is False
    assert not router.calls
