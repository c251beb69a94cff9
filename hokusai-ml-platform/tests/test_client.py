"""The HTTP client: credentials, retries, rate limits, and responses that are not a gateway's."""

from __future__ import annotations

from typing import Any

import pytest

from hokusai.client import GatewayClient, derived_key
from hokusai.credentials import Credential, store_credential
from hokusai.errors import (
    AuthenticationError,
    ClaimDisagreesError,
    ConflictError,
    CredentialError,
    GatewayError,
    InputError,
    InsecureConnectionWarning,
    NotFoundError,
    NotMintableError,
    PermissionDeniedError,
    ResponseError,
    TokenTakenError,
    ValidationError,
)
from hokusai.gateway_url import GatewayURL
from scripted import (
    KEY,
    ConnectionReset,
    FakeClock,
    Response,
    ScriptedServer,
    make_client,
    problem,
)

SUCCESS = Response(201, {"model_id": "hkm_1"})
LIMIT_USED_UP = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}


def post(client: GatewayClient, **options: Any) -> Any:
    return client.request("POST", "/models/baseline", json={"a": 1}, **options)


# --- what is sent ---


def test_a_request_has_credential_idempotency_key_and_body(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(SUCCESS)

    assert post(client, idempotency_key="k") == {"model_id": "hkm_1"}
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/models/baseline")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Idempotency-Key"] == "k"
    assert request.headers["User-Agent"].startswith("hokusai-python/")
    assert request.json == {"a": 1}


def test_query_members_that_are_none_are_left_out(
    client: GatewayClient, server: ScriptedServer
) -> None:
    client.request("GET", "/models", params={"kind": "baseline", "tenant": None})

    assert server.requests[0].path == "/api/models?kind=baseline"


def test_connect_finds_url_and_credential_in_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_environment")
    GatewayClient.connect().request("GET", "/limits")

    assert server.requests[0].headers["Authorization"] == "Bearer hk_live_of_the_environment"


def test_without_a_credential_nothing_is_sent(server: ScriptedServer) -> None:
    client = GatewayClient.connect(server.url)

    with pytest.raises(CredentialError, match="HOKUSAI_API_KEY"):
        client.request("GET", "/limits")
    with pytest.raises(CredentialError, match="hokusai login"):
        client.require_authorizer()
    assert server.requests == []


def test_the_stored_key_of_another_gateway_is_not_sent(server: ScriptedServer) -> None:
    store_credential("http://127.0.0.1:1", "hk_live_of_another")

    with pytest.raises(CredentialError):
        GatewayClient.connect(server.url).request("GET", "/limits")
    assert server.requests == []


def test_a_netrc_file_does_not_replace_the_credential(
    client: GatewayClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.request("GET", "/limits")

    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_cookies_are_not_kept(client: GatewayClient, server: ScriptedServer) -> None:
    server.respond_with(Response(200, {}, {"Set-Cookie": "sid=1; Path=/"}))
    client.request("GET", "/limits")
    client.request("GET", "/limits")

    assert "Cookie" not in server.requests[1].headers


def test_a_body_that_json_cannot_represent_is_not_sent(
    client: GatewayClient, server: ScriptedServer
) -> None:
    with pytest.raises(InputError, match="only finite"):
        client.request("POST", "/models/baseline", json={"accuracy": float("nan")})

    assert server.requests == []


def test_sending_a_credential_over_plain_http_to_another_machine_warns() -> None:
    with pytest.warns(InsecureConnectionWarning, match=r"plain HTTP to gateway\.example"):
        GatewayClient(
            GatewayURL.parse("http://gateway.example/api"), Credential("k", False, "a test")
        )


def test_a_forked_process_opens_its_own_connections(
    client: GatewayClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.request("GET", "/limits")
    session = client._session_of_process()
    assert client._session_of_process() is session
    monkeypatch.setattr("hokusai.client.os.getpid", lambda: -1)

    assert client._session_of_process() is not session


# --- responses that are errors ---


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "key_expired", AuthenticationError),
        (403, "scope_missing", PermissionDeniedError),
        (404, "not_found", NotFoundError),
        (409, "conflict", ConflictError),
        (409, "token_taken", TokenTakenError),
        (409, "improvement_too_small", NotMintableError),
        (422, "validation_failed", ValidationError),
        (422, "claim_disagrees", ClaimDisagreesError),
        (418, "of_a_newer_gateway", GatewayError),
    ],
)
def test_a_refusal_is_raised_without_a_retry(
    client: GatewayClient,
    server: ScriptedServer,
    clock: FakeClock,
    status: int,
    reason: str,
    kind: type[GatewayError],
) -> None:
    server.respond_with(problem(status, reason))

    with pytest.raises(kind) as raised:
        post(client, idempotency_key="k")
    error = raised.value
    assert type(error) is kind or kind is GatewayError
    assert (error.status, error.reason, error.request_id) == (status, reason, "r-1")
    assert str(error) == f"It was {reason}. ({status} {reason}, request r-1)"
    assert len(server.requests) == 1
    assert clock.slept == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(
    client: GatewayClient, server: ScriptedServer, status: int
) -> None:
    with ScriptedServer() as other:
        location = {"Location": f"{other.origin}/api/limits?token=secret"}
        server.respond_with(Response(status, {}, location))
        with pytest.raises(ResponseError, match="redirects to") as raised:
            client.request("GET", "/limits")

        assert other.requests == []
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "response", [Response(200, text="<html>"), Response(404, text="<html>"), Response(200, text="")]
)
def test_a_response_that_is_not_a_gateways_is_an_error(
    client: GatewayClient, server: ScriptedServer, response: Response
) -> None:
    server.respond_with(response)

    with pytest.raises(ResponseError, match="Is the URL right"):
        client.request("GET", "/limits")


def test_a_401_page_of_a_load_balancer_is_an_authentication_error(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(Response(401, text="<html>"))

    with pytest.raises(AuthenticationError, match="status 401"):
        client.request("GET", "/limits")


def test_no_error_contains_the_credential(server: ScriptedServer, clock: FakeClock) -> None:
    client = make_client(server, clock)
    texts = []
    for step in (ConnectionReset(), problem(401, "key_invalid"), Response(404, text="x")):
        server.respond_with(step)
        with pytest.raises(Exception, match=r"\w") as raised:
            client.request("GET", "/limits", retry_seconds=0)
        texts.append(f"{raised.value!r} {raised.value}")

    assert not any("hk_live" in text for text in texts)


# --- derived idempotency keys ---


def test_a_derived_key_depends_on_path_and_body_only() -> None:
    key = derived_key("/a", {"x": 1, "y": 2})

    assert key == derived_key("/a", {"y": 2, "x": 1})
    assert len({key, derived_key("/b", {"x": 1, "y": 2}), derived_key("/a", {"x": 1})}) == 3
