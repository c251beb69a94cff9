"""The requests that MLflowClient sends, and how it reads the responses. respx plays MLflow."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import respx

from app.core.errors import (
    MLflowRefusalError,
    UpstreamCredentialError,
    UpstreamError,
    UpstreamMisconfiguredError,
    UpstreamStorageFullError,
)
from app.mlflow.client import MLflowClient
from app.mlflow.resources import LoggedModel, ModelVersion, Run

URL = "http://mlflow.test"
CREDENTIAL = "Basic c2VjcmV0"
API = "/api/2.0/mlflow"
API_3 = "/api/3.0/mlflow"
IN_ACME = {"X-MLFLOW-WORKSPACE": "acme"}
RUN = Run("r1", "7", "mlflow-artifacts:/7/r1/artifacts", {}, {})


def error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "message": "What MLflow says."})


EXISTS = error(400, "RESOURCE_ALREADY_EXISTS")
MISSING = error(404, "RESOURCE_DOES_NOT_EXIST")
INVALID = error(400, "INVALID_PARAMETER_VALUE")


def sent(route: respx.Route, number: int = 0) -> Any:
    """The JSON body of a request to a route, the first one by default."""
    return json.loads(route.calls[number].request.content)


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(base_url=URL, assert_all_called=True)


@pytest.fixture
async def client(router: respx.Router) -> AsyncIterator[MLflowClient]:
    """The client of the router's MLflow. Checks that every request carries the credential."""
    transport = httpx.MockTransport(router.async_handler)
    opened = MLflowClient(URL, transport, authorization=CREDENTIAL)
    yield opened
    await opened.close()
    assert all(call.request.headers["authorization"] == CREDENTIAL for call in router.calls)


# --- the server ---


@pytest.mark.parametrize(("status", "alive"), [(200, True), (503, False)])
async def test_is_alive_reads_the_status_of_health(
    router: respx.Router, client: MLflowClient, status: int, alive: bool
) -> None:
    router.get("/health").respond(status)
    assert await client.is_alive() is alive


@pytest.mark.parametrize(
    ("response", "version"),
    [
        (httpx.Response(200, text="3.17.2"), "3.17.2"),
        (httpx.Response(200, text="<html>"), None),
        (httpx.Response(404, text="3.17.2"), None),
    ],
)
async def test_the_server_version_is_none_unless_mlflow_states_one(
    router: respx.Router, client: MLflowClient, response: httpx.Response, version: str | None
) -> None:
    router.get("/version").mock(response)
    assert await client.server_version() == version


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (401, "", UpstreamCredentialError),
        (403, "", UpstreamCredentialError),
        (403, "Invalid Host header - possible DNS rebinding", UpstreamMisconfiguredError),
        (500, "", UpstreamError),
        (500, "OSError: [Errno 28] No space left on device", UpstreamStorageFullError),
    ],
)
async def test_what_keeps_the_gateway_from_using_mlflow_is_recognised(
    router: respx.Router, client: MLflowClient, status: int, text: str, error: type[Exception]
) -> None:
    router.get(f"{API}/experiments/search").respond(status, text=text)
    with pytest.raises(UpstreamError) as caught:
        await client.check_access()
    assert type(caught.value) is error
    router.get(f"{API}/experiments/search").respond(200, json={})
    await client.check_access()


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(200, json={"workspaces_enabled": True}), True),
        (httpx.Response(200, json={"workspaces_enabled": False}), False),
        (httpx.Response(200, json={}), False),
        (httpx.Response(404, text="Not Found"), False),
    ],
)
async def test_workspaces_are_enabled_only_if_mlflow_says_so(
    router: respx.Router, client: MLflowClient, response: httpx.Response, expected: bool
) -> None:
    router.get(f"{API_3}/server-info").mock(response)
    assert await client.has_workspaces() is expected


async def test_server_info_is_returned_unchanged(
    router: respx.Router, client: MLflowClient
) -> None:
    router.get(f"{API_3}/server-info").respond(json={"store_type": "sql", "more": [1]})
    assert await client.server_info() == {"store_type": "sql", "more": [1]}


# --- workspaces ---


@pytest.mark.parametrize("response", [httpx.Response(201, json={"workspace": {}}), EXISTS])
async def test_creating_a_workspace_that_exists_succeeds(
    router: respx.Router, client: MLflowClient, response: httpx.Response
) -> None:
    route = router.post(f"{API_3}/workspaces", json={"name": "acme"}).mock(response)
    await client.create_workspace("acme")
    assert route.call_count == 1


async def test_the_default_experiment_is_created(
    router: respx.Router, client: MLflowClient
) -> None:
    route = router.post(f"{API}/experiments/create", headers=IN_ACME)
    route.respond(json={"experiment_id": "3"})
    assert await client.ensure_default_experiment("acme") == "3"
    assert sent(route) == {"name": "Default"}


async def test_the_default_experiment_is_looked_up_if_it_exists(
    router: respx.Router, client: MLflowClient
) -> None:
    router.post(f"{API}/experiments/create", headers=IN_ACME).mock(EXISTS)
    router.get(
        f"{API}/experiments/get-by-name", params={"experiment_name": "Default"}, headers=IN_ACME
    ).respond(json={"experiment": {"experiment_id": "7"}})
    assert await client.ensure_default_experiment("acme") == "7"


# --- whether a workspace holds something ---


@pytest.mark.parametrize(
    ("response", "expected"),
    [(httpx.Response(200, json={"any": {}}), True), (MISSING, False), (INVALID, False)],
)
@pytest.mark.parametrize(
    ("path", "params", "method"),
    [
        (f"{API}/runs/get", {"run_id": "r1"}, lambda client: client.has_run("acme", "r1")),
        (f"{API}/logged-models/m-1", {}, lambda client: client.has_logged_model("acme", "m-1")),
        (
            f"{API}/experiments/get",
            {"experiment_id": "7"},
            lambda client: client.has_experiment("acme", "7"),
        ),
        (f"{API_3}/datasets/d-1", {}, lambda client: client.has_dataset("acme", "d-1")),
    ],
)
async def test_resources_are_looked_up_in_the_workspace(
    router: respx.Router,
    client: MLflowClient,
    path: str,
    params: dict[str, str],
    method: Callable[[MLflowClient], Awaitable[bool]],
    response: httpx.Response,
    expected: bool,
) -> None:
    router.get(path, params=params, headers=IN_ACME).mock(response)
    assert await method(client) is expected


@pytest.mark.parametrize("bad_id", ["../runs/get", "m/1", "", "m-1?x", "m" * 101])
async def test_an_id_that_would_change_the_path_is_never_sent(
    router: respx.Router, client: MLflowClient, bad_id: str
) -> None:
    assert await client.has_logged_model("acme", bad_id) is False
    assert await client.has_dataset("acme", bad_id) is False
    assert not router.calls


@pytest.mark.parametrize("bad_id", ["", "a", "1234567890", "-1"])
async def test_an_experiment_id_that_mlflow_fails_on_is_never_sent(
    router: respx.Router, client: MLflowClient, bad_id: str
) -> None:
    assert await client.has_experiment("acme", bad_id) is False
    assert not router.calls


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(200, json={"files": [{"path": "model/MLmodel"}]}), True),
        (httpx.Response(200, json={"root_uri": "mlflow-artifacts:/"}), False),
        (MISSING, False),
    ],
)
async def test_artifacts_exist_if_mlflow_lists_files(
    router: respx.Router, client: MLflowClient, response: httpx.Response, expected: bool
) -> None:
    router.get(f"{API}/artifacts/list", params={"run_id": "r1", "path": "model"}).mock(response)
    assert await client.has_artifacts("acme", "r1", "model") is expected


# --- runs and logged models ---


async def test_no_workspace_header_is_sent_to_a_shared_mlflow(
    router: respx.Router, client: MLflowClient
) -> None:
    route = router.get(f"{API}/runs/get").mock(MISSING)
    assert await client.run(None, "r1") is None
    assert "x-mlflow-workspace" not in route.calls[0].request.headers


async def test_a_run_is_read(router: respx.Router, client: MLflowClient) -> None:
    info = {"run_id": "r1", "experiment_id": "7", "artifact_uri": RUN.artifact_uri}
    router.get(f"{API}/runs/get", params={"run_id": "r1"}, headers=IN_ACME).respond(
        json={"run": {"info": info, "data": {}}}
    )
    assert await client.run("acme", "r1") == RUN


async def test_a_logged_model_is_read(router: respx.Router, client: MLflowClient) -> None:
    route = router.get(f"{API}/logged-models/m-1", headers=IN_ACME)
    route.respond(json={"model": {"info": {"model_id": "m-1", "source_run_id": "r1"}}})
    assert await client.logged_model("acme", "m-1") == LoggedModel("m-1", "r1", 0)


def logged(model_id: str, name: str = "forest", run_id: str = "r1") -> dict[str, Any]:
    return {"info": {"model_id": model_id, "name": name, "source_run_id": run_id}}


async def test_logged_models_of_a_run_are_collected_over_all_pages(
    router: respx.Router, client: MLflowClient
) -> None:
    others = [logged("m-2", run_id="r2"), logged("m-3", name="tree")]
    route = router.post(f"{API}/logged-models/search", headers=IN_ACME)
    route.side_effect = [
        httpx.Response(200, json={"models": [logged("m-1"), *others], "next_page_token": "t"}),
        httpx.Response(200, json={"models": [logged("m-4")]}),
    ]
    found = await client.logged_models_of_run("acme", RUN, "forest")
    assert [model.model_id for model in found] == ["m-1", "m-4"]
    assert sent(route) == {"experiment_ids": ["7"], "filter": "name = 'forest'"}
    assert sent(route, 1)["page_token"] == "t"


async def test_a_name_with_a_quote_is_not_put_into_the_filter(
    router: respx.Router, client: MLflowClient
) -> None:
    route = router.post(f"{API}/logged-models/search")
    route.respond(json={"models": [logged("m-1", name="it's"), logged("m-2")]})
    found = await client.logged_models_of_run("acme", RUN, "it's")
    assert [model.model_id for model in found] == ["m-1"]
    assert "filter" not in sent(route)


async def test_mlflow_2_has_no_logged_models(router: respx.Router, client: MLflowClient) -> None:
    router.post(f"{API}/logged-models/search").respond(404, text="Not Found")
    assert await client.logged_models_of_run("acme", RUN, "forest") == []


# --- the model registry ---


async def test_a_model_version_is_read(router: respx.Router, client: MLflowClient) -> None:
    router.get(f"{API}/model-versions/get", params={"name": "n", "version": "2"}).respond(
        json={"model_version": {"name": "n", "version": "2", "run_id": ""}}
    )
    found = await client.model_version("acme", "n", "2")
    assert found == ModelVersion("n", "2", None)


@pytest.mark.parametrize("response", [httpx.Response(200, json={}), EXISTS])
async def test_creating_a_registered_model_that_exists_succeeds(
    router: respx.Router, client: MLflowClient, response: httpx.Response
) -> None:
    route = router.post(f"{API}/registered-models/create", headers=IN_ACME).mock(response)
    await client.create_registered_model("acme", "n")
    assert sent(route) == {"name": "n"}


def create_version(client: MLflowClient) -> Awaitable[ModelVersion]:
    return client.create_model_version("acme", "n", "runs:/r1/model", "r1", None, {"k": "v"})


async def test_a_model_version_is_created_with_its_tags(
    router: respx.Router, client: MLflowClient
) -> None:
    route = router.post(f"{API}/model-versions/create", headers=IN_ACME)
    made = {"name": "n", "version": 4, "run_id": "r1", "creation_timestamp": "17"}
    route.respond(json={"model_version": made})
    assert await create_version(client) == ModelVersion("n", "4", "r1", 17)
    assert sent(route) == {
        "name": "n",
        "source": "runs:/r1/model",
        "run_id": "r1",
        "tags": [{"key": "k", "value": "v"}],
    }


async def test_a_refused_write_carries_mlflows_own_words(
    router: respx.Router, client: MLflowClient
) -> None:
    router.post(f"{API}/model-versions/create").mock(INVALID)
    with pytest.raises(MLflowRefusalError, match=r"What MLflow says\.") as caught:
        await create_version(client)
    assert (caught.value.status, caught.value.error_code) == (400, "INVALID_PARAMETER_VALUE")


async def test_a_failed_write_is_no_refusal(router: respx.Router, client: MLflowClient) -> None:
    router.post(f"{API}/model-versions/create").mock(error(500, "INTERNAL_ERROR"))
    with pytest.raises(UpstreamError):
        await create_version(client)


async def test_each_tag_is_set_by_a_request_of_its_own(
    router: respx.Router, client: MLflowClient
) -> None:
    route = router.post(f"{API}/model-versions/set-tag").respond(json={})
    await client.set_version_tags("acme", "n", "1", {"a": "1", "b": "2"})
    assert [sent(route, number)["key"] for number in range(2)] == ["a", "b"]


async def test_versions_with_a_tag_are_sorted_by_name_and_number(
    router: respx.Router, client: MLflowClient
) -> None:
    query = {"filter": "tags.`hokusai.op_id` = 'x'", "max_results": "1000"}
    router.get(f"{API}/model-versions/search", params=query, headers=IN_ACME).respond(
        json={
            "model_versions": [
                {"name": "b", "version": "1"},
                {"name": "a", "version": "10"},
                {"name": "a", "version": "9"},
            ]
        }
    )
    found = await client.versions_with_tag("acme", "hokusai.op_id", "x")
    assert [(one.name, one.version) for one in found] == [("a", "9"), ("a", "10"), ("b", "1")]


@pytest.mark.parametrize("response", [httpx.Response(200, json={}), MISSING])
async def test_deleting_a_version_that_does_not_exist_succeeds(
    router: respx.Router, client: MLflowClient, response: httpx.Response
) -> None:
    route = router.delete(f"{API}/model-versions/delete", headers=IN_ACME).mock(response)
    await client.delete_version("acme", "n", "1")
    assert sent(route) == {"name": "n", "version": "1"}
