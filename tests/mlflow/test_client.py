"""What the gateway asks of MLflow, and what it makes of the answers; MLflow is played by respx."""

from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from app.core.errors import UpstreamError
from app.mlflow.client import MLflowClient

URL = "http://mlflow.test"
WORKSPACES = "/api/3.0/mlflow/workspaces"
EXPERIMENTS = "/api/2.0/mlflow/experiments"
EXISTS = httpx.Response(400, json={"error_code": "RESOURCE_ALREADY_EXISTS", "message": "It is."})


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(base_url=URL, assert_all_called=True)


@pytest.fixture
async def control(router: respx.Router) -> AsyncIterator[MLflowClient]:
    """The client of the router's MLflow. Checks that each request carries the credential."""
    transport = httpx.MockTransport(router.async_handler)
    made = MLflowClient(URL, transport, authorization="Basic c2VjcmV0")
    yield made
    await made.close()
    assert all(call.request.headers["authorization"] == "Basic c2VjcmV0" for call in router.calls)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"workspaces_enabled": True}), True),
        (httpx.Response(200, json={"workspaces_enabled": False}), False),
        (httpx.Response(200, json={}), False),
        (httpx.Response(404, text="Not Found"), False),
    ],
)
async def test_workspaces_are_on_only_where_mlflow_says_so(
    router: respx.Router, control: MLflowClient, answer: httpx.Response, expected: bool
) -> None:
    router.get("/api/3.0/mlflow/server-info").mock(answer)
    assert await control.has_workspaces() is expected


@pytest.mark.parametrize("answer", [httpx.Response(201, json={"workspace": {}}), EXISTS])
async def test_a_workspace_that_exists_is_as_good_as_a_new_one(
    router: respx.Router, control: MLflowClient, answer: httpx.Response
) -> None:
    route = router.post(WORKSPACES, json={"name": "acme"}).mock(answer)
    await control.make_workspace("acme")
    assert route.call_count == 1


async def test_the_default_experiment_is_found_where_it_cannot_be_made(
    router: respx.Router, control: MLflowClient
) -> None:
    workspace = {"X-MLFLOW-WORKSPACE": "acme"}
    router.post(f"{EXPERIMENTS}/create", headers=workspace).mock(EXISTS)
    router.get(
        f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "Default"}, headers=workspace
    ).respond(json={"experiment": {"experiment_id": "7"}})
    assert await control.default_experiment("acme") == "7"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="<html>"),
        httpx.Response(401, json={"error_code": "UNAUTHENTICATED", "message": "Who?"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["a list"]),
    ],
)
async def test_an_answer_that_helps_nobody_is_an_upstream_error(
    router: respx.Router, control: MLflowClient, answer: httpx.Response
) -> None:
    router.post(WORKSPACES).mock(answer)
    with pytest.raises(UpstreamError, match=WORKSPACES):
        await control.make_workspace("acme")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"model": {}}), True),
        (httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}), False),
    ],
)
async def test_a_model_is_looked_for_in_the_workspace(
    router: respx.Router, control: MLflowClient, answer: httpx.Response, expected: bool
) -> None:
    router.get("/api/2.0/mlflow/logged-models/m-1", headers={"X-MLFLOW-WORKSPACE": "acme"}).mock(
        answer
    )
    assert await control.has_model("acme", "m-1") is expected


@pytest.mark.parametrize("name", ["../runs/get", "m/1", "", "m-1?x", "m" * 101])
async def test_what_is_no_model_id_is_not_asked_for(
    router: respx.Router, control: MLflowClient, name: str
) -> None:
    assert await control.has_model("acme", name) is False
    assert not router.calls
