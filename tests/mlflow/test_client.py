"""The gateway's own requests to MLflow, and how it reads the responses; respx stands for MLflow."""

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
    ("response", "expected"),
    [
        (httpx.Response(200, json={"workspaces_enabled": True}), True),
        (httpx.Response(200, json={"workspaces_enabled": False}), False),
        (httpx.Response(200, json={}), False),
        (httpx.Response(404, text="Not Found"), False),
    ],
)
async def test_workspaces_are_on_only_if_mlflow_says_so(
    router: respx.Router, control: MLflowClient, response: httpx.Response, expected: bool
) -> None:
    router.get("/api/3.0/mlflow/server-info").mock(response)
    assert await control.has_workspaces() is expected


@pytest.mark.parametrize("response", [httpx.Response(201, json={"workspace": {}}), EXISTS])
async def test_a_workspace_that_exists_is_treated_as_success(
    router: respx.Router, control: MLflowClient, response: httpx.Response
) -> None:
    route = router.post(WORKSPACES, json={"name": "acme"}).mock(response)
    await control.make_workspace("acme")
    assert route.call_count == 1


async def test_the_default_experiment_is_found_if_it_cannot_be_created(
    router: respx.Router, control: MLflowClient
) -> None:
    workspace = {"X-MLFLOW-WORKSPACE": "acme"}
    router.post(f"{EXPERIMENTS}/create", headers=workspace).mock(EXISTS)
    router.get(
        f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "Default"}, headers=workspace
    ).respond(json={"experiment": {"experiment_id": "7"}})
    assert await control.default_experiment("acme") == "7"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500, text="<html>"),
        httpx.Response(401, json={"error_code": "UNAUTHENTICATED", "message": "Who?"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["a list"]),
    ],
)
async def test_an_unusable_response_is_an_upstream_error(
    router: respx.Router, control: MLflowClient, response: httpx.Response
) -> None:
    router.post(WORKSPACES).mock(response)
    with pytest.raises(UpstreamError, match=WORKSPACES):
        await control.make_workspace("acme")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(200, json={"model": {}}), True),
        (httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}), False),
    ],
)
async def test_a_model_is_searched_in_the_workspace(
    router: respx.Router, control: MLflowClient, response: httpx.Response, expected: bool
) -> None:
    router.get("/api/2.0/mlflow/logged-models/m-1", headers={"X-MLFLOW-WORKSPACE": "acme"}).mock(
        response
    )
    assert await control.has_model("acme", "m-1") is expected


@pytest.mark.parametrize("name", ["../runs/get", "m/1", "", "m-1?x", "m" * 101])
async def test_an_invalid_model_id_is_not_sent(
    router: respx.Router, control: MLflowClient, name: str
) -> None:
    assert await control.has_model("acme", name) is False
    assert not router.calls
