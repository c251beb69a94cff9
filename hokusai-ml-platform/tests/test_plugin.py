"""What the MLflow client's requests get, and which of them."""

from __future__ import annotations

import io
from typing import Iterator

import pytest
import requests

from conftest import make_client
from hokusai.auth import plugin
from hokusai.auth.plugin import HokusaiRequestAuthProvider, RequestAuth
from hokusai.client import GatewayClient
from hokusai.credentials import Credential
from hokusai.errors import CredentialError
from hokusai.gateway_url import GatewayURL
from scripted import Answer, Pause, Request, ScriptedServer, problem

PATH = "/api/2.0/mlflow/runs/create"


@pytest.fixture(autouse=True)
def _nobody_is_active(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import mlflow

    before = mlflow.get_tracking_uri()
    monkeypatch.setattr(plugin, "active", plugin._ActiveClients())
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    yield
    mlflow.set_tracking_uri(before)


def send(url: str, token: str | None = None, data: object = b"{}") -> requests.Response:
    """As MLflow does: its own header first, the plugin's authentication after it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(url + PATH, headers=headers, data=data, auth=RequestAuth(), timeout=10)  # type: ignore[arg-type]


def test_mlflow_finds_the_provider_by_its_name() -> None:
    from mlflow.tracking.request_auth.registry import fetch_auth

    assert HokusaiRequestAuthProvider().get_name() == "hokusai"
    assert isinstance(fetch_auth("hokusai"), RequestAuth)


def test_the_registrys_credential_takes_the_place_of_mlflows(
    server: ScriptedServer, client: GatewayClient
) -> None:
    plugin.activate(client)
    send(server.url, token="hk_live_of_the_environment")

    assert server.requests[0].headers["Authorization"] == "Bearer hk_live_of_the_tests"


def test_the_last_registry_counts(server: ScriptedServer, pause: Pause) -> None:
    plugin.activate(make_client(server, pause))
    plugin.activate(
        GatewayClient(GatewayURL.parse(server.url), Credential("second", False, "a test"))
    )
    send(server.url)

    assert server.requests[0].headers["Authorization"] == "Bearer second"


@pytest.mark.parametrize("path", ["", "/api/mlflows", "/api"])
def test_another_server_gets_nothing_of_ours(client: GatewayClient, path: str) -> None:
    plugin.activate(client)
    with ScriptedServer() as other:
        send(other.origin + path, token="its_own")
        send(other.origin + path)

        assert [request.headers.get("Authorization") for request in other.requests] == [
            "Bearer its_own",
            None,
        ]


def test_another_path_of_the_same_host_gets_nothing_of_ours(
    server: ScriptedServer, client: GatewayClient
) -> None:
    plugin.activate(client)
    send(f"{server.origin}/api/mlflowers")

    assert "Authorization" not in server.requests[0].headers


def test_a_redirect_to_another_host_loses_the_credential(
    server: ScriptedServer, client: GatewayClient
) -> None:
    plugin.activate(client)
    with ScriptedServer() as other:
        server.answers(Answer(307, {}, {"Location": f"{other.origin}/api/mlflow{PATH}"}))
        send(server.url)

        assert [request.headers.get("Authorization") for request in other.requests] == [None]


def test_without_a_credential_the_request_is_not_sent(server: ScriptedServer) -> None:
    plugin.activate(GatewayClient(GatewayURL.parse(server.url)))

    with pytest.raises(CredentialError, match="HOKUSAI_API_KEY"):
        send(server.url)
    assert server.requests == []


def test_a_child_process_takes_what_the_environment_has(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    mlflow.set_tracking_uri(server.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_environment")
    send(server.url)

    assert server.requests[0].headers["Authorization"] == "Bearer hk_live_of_the_environment"


def test_mlflows_requests_keep_to_the_limit(
    server: ScriptedServer, client: GatewayClient, pause: Pause
) -> None:
    plugin.activate(client)
    left = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}
    server.answers(Answer(200, {}, left))
    send(server.url)
    send(server.url)

    assert pause.slept == [9]


@pytest.mark.parametrize("body", [b"weights", io.BytesIO(b"__weights")], ids=["bytes", "file"])
def test_an_upload_is_repeated_whole_with_a_new_token(
    server: ScriptedServer, body: bytes | io.BytesIO
) -> None:
    def gateway(request: Request) -> Answer:
        if request.path == "/api/auth/token":
            number = sum(asked.path == request.path for asked in server.requests)
            return Answer(201, {"access_token": f"hk_token_{number}", "expires_in": 3600})
        if request.headers["Authorization"] != "Bearer hk_token_2":
            return problem(401, "token_expired")
        return Answer(200, {"got": request.body.decode()})

    if isinstance(body, io.BytesIO):
        body.seek(2)
    server.answers(gateway)
    wallet = Credential("0x" + "11" * 32, True, "a test")
    plugin.activate(GatewayClient(GatewayURL.parse(server.url), wallet))
    answer = send(server.url, data=body)

    assert answer.json() == {"got": "weights"}
    assert [earlier.status_code for earlier in answer.history] == [401]


def test_other_refusals_are_passed_on(server: ScriptedServer, client: GatewayClient) -> None:
    plugin.activate(client)
    server.answers(problem(401, "key_expired"))
    assert send(server.url).status_code == 401
    server.answers(Answer(401, text="<html>"))
    assert send(server.url).status_code == 401
    assert len(server.requests) == 2
