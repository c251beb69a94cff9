"""The credential of the MLflow client's requests, and which requests get it."""

from __future__ import annotations

import io
from typing import Iterator

import pytest
import requests

from hokusai.auth import plugin
from hokusai.auth.plugin import HokusaiRequestAuthProvider, RequestAuth
from hokusai.client import GatewayClient
from hokusai.credentials import Credential
from hokusai.errors import CredentialError
from hokusai.gateway_url import GatewayURL
from scripted import KEY, FakeClock, Request, Response, ScriptedServer, make_client, problem
from token_endpoint import PATH as TOKEN_PATH
from token_endpoint import PRIVATE_KEY, issue_tokens

PATH = "/api/2.0/mlflow/runs/create"

pytestmark = pytest.mark.usefixtures("isolated_mlflow")


def send(url: str, token: str | None = None, data: object = b"{}") -> requests.Response:
    """Send a request as MLflow does: its own header first, then the plugin's authentication."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(url + PATH, headers=headers, data=data, auth=RequestAuth(), timeout=10)  # type: ignore[arg-type]


def activate_wallet(server: ScriptedServer) -> None:
    """Activate a client with a wallet, at a gateway that accepts the second token only."""
    issue = issue_tokens()

    def gateway(request: Request) -> Response:
        if request.path == TOKEN_PATH:
            return issue(request)
        if request.headers["Authorization"] != "Bearer hk_token_2":
            return problem(401, "token_expired")
        return Response(200, {"received": request.body.decode()})

    server.respond_with(gateway)
    wallet = Credential(PRIVATE_KEY, True, "a test")
    plugin.activate(GatewayClient(GatewayURL.parse(server.url), wallet))


def test_mlflow_finds_the_provider_by_its_name() -> None:
    from mlflow.tracking.request_auth.registry import fetch_auth

    assert HokusaiRequestAuthProvider().get_name() == "hokusai"
    assert isinstance(fetch_auth("hokusai"), RequestAuth)


def test_the_activated_credential_replaces_mlflows_own(
    server: ScriptedServer, client: GatewayClient
) -> None:
    plugin.activate(client)
    send(server.url, token="hk_live_of_the_environment")

    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_the_client_activated_last_is_used(server: ScriptedServer, clock: FakeClock) -> None:
    plugin.activate(make_client(server, clock))
    plugin.activate(
        GatewayClient(GatewayURL.parse(server.url), Credential("second", False, "a test"))
    )
    send(server.url)

    assert server.requests[0].headers["Authorization"] == "Bearer second"


@pytest.mark.parametrize("path", ["", "/api/mlflows", "/api"])
def test_a_request_to_another_server_is_left_alone(client: GatewayClient, path: str) -> None:
    plugin.activate(client)
    with ScriptedServer() as other:
        send(other.origin + path, token="its_own")
        send(other.origin + path)

        assert [request.headers.get("Authorization") for request in other.requests] == [
            "Bearer its_own",
            None,
        ]


def test_a_request_to_another_path_of_the_same_host_is_left_alone(
    server: ScriptedServer, client: GatewayClient
) -> None:
    plugin.activate(client)
    send(f"{server.origin}/api/mlflowers")

    assert "Authorization" not in server.requests[0].headers


def test_a_redirect_to_another_host_does_not_carry_the_credential(
    server: ScriptedServer, client: GatewayClient
) -> None:
    plugin.activate(client)
    with ScriptedServer() as other:
        location = {"Location": f"{other.origin}/api/mlflow{PATH}"}
        server.respond_with(Response(307, {}, location))
        send(server.url)

        assert [request.headers.get("Authorization") for request in other.requests] == [None]


def test_without_a_credential_the_request_is_not_sent(server: ScriptedServer) -> None:
    plugin.activate(GatewayClient(GatewayURL.parse(server.url)))

    with pytest.raises(CredentialError, match="HOKUSAI_API_KEY"):
        send(server.url)
    assert server.requests == []


def test_without_a_credential_of_the_sdk_mlflows_own_token_is_kept(server: ScriptedServer) -> None:
    plugin.activate(GatewayClient(GatewayURL.parse(server.url)))
    send(server.url, token="hk_live_set_later")

    assert server.requests[0].headers["Authorization"] == "Bearer hk_live_set_later"


def test_a_process_without_a_registry_uses_the_credential_in_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    mlflow.set_tracking_uri(server.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_environment")
    send(server.url)

    assert server.requests[0].headers["Authorization"] == "Bearer hk_live_of_the_environment"


def test_mlflows_requests_keep_within_the_rate_limit(
    server: ScriptedServer, client: GatewayClient, clock: FakeClock
) -> None:
    plugin.activate(client)
    used_up = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}
    server.respond_with(Response(200, {}, used_up))
    send(server.url)
    send(server.url)

    assert clock.slept == [9]


@pytest.mark.parametrize("body", [b"weights", io.BytesIO(b"__weights")], ids=["bytes", "file"])
def test_an_upload_is_repeated_as_a_whole_with_a_new_token(
    server: ScriptedServer, body: bytes | io.BytesIO
) -> None:
    if isinstance(body, io.BytesIO):
        body.seek(2)
    activate_wallet(server)
    response = send(server.url, data=body)

    assert response.json() == {"received": "weights"}
    assert [earlier.status_code for earlier in response.history] == [401]


def test_a_stream_that_has_been_read_is_not_repeated(server: ScriptedServer) -> None:
    class Stream:
        """A body of known length that cannot be read twice."""

        def __init__(self) -> None:
            self._parts = iter([b"weights"])

        def __len__(self) -> int:
            return len(b"weights")

        def __iter__(self) -> Iterator[bytes]:
            return self._parts

        def read(self, _: int = -1) -> bytes:
            return next(self._parts, b"")

    activate_wallet(server)
    response = send(server.url, data=Stream())

    assert response.status_code == 401
    assert len([request for request in server.requests if request.path != TOKEN_PATH]) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        problem(401, "key_expired"),
        problem(401, "token_expired"),
        Response(401, text="<html>"),
        Response(401, ["token_expired"]),
    ],
    ids=["key", "token", "html", "list"],
)
def test_a_refusal_of_an_api_key_is_returned_unchanged(
    server: ScriptedServer, client: GatewayClient, refusal: Response
) -> None:
    plugin.activate(client)
    server.respond_with(refusal)

    assert send(server.url).status_code == 401
    assert len(server.requests) == 1
