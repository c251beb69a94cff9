"""API keys, and a wallet's tokens that are renewed in time."""

from __future__ import annotations

import threading

import pytest

from hokusai.authorization import KeyAuthorizer, WalletAuthorizer, make_authorizer
from hokusai.client import GatewayClient
from hokusai.credentials import Credential
from hokusai.errors import AuthenticationError, CredentialError, ResponseError
from hokusai.gateway_url import GatewayURL
from hokusai.wallet_signer import WalletSigner
from scripted import (
    ConnectionReset,
    FakeClock,
    Request,
    Response,
    ScriptedServer,
    make_client,
    problem,
)
from token_endpoint import PATH, PRIVATE_KEY, WALLET_ADDRESS, issue_tokens


@pytest.fixture
def authorizer(server: ScriptedServer, clock: FakeClock) -> WalletAuthorizer:
    return WalletAuthorizer(WalletSigner(PRIVATE_KEY), make_client(server, clock))


def test_an_api_key_is_sent_unchanged_and_never_renewed(client: GatewayClient) -> None:
    authorizer = make_authorizer(Credential("hk_live_k", False, "a test"), client)

    assert isinstance(authorizer, KeyAuthorizer)
    assert authorizer.header() == "Bearer hk_live_k"
    assert not authorizer.invalidate("Bearer hk_live_k")


def test_a_private_key_that_is_not_valid_is_rejected(client: GatewayClient) -> None:
    with pytest.raises(CredentialError, match="64 hexadecimal digits"):
        make_authorizer(Credential("0x12", True, "a test"), client)


def test_a_token_is_used_until_shortly_before_it_expires(
    authorizer: WalletAuthorizer, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.respond_with(issue_tokens())
    clock = {"monotonic": 0.0, "time": 5000.0}
    monkeypatch.setattr("hokusai.authorization.time.monotonic", lambda: clock["monotonic"])
    monkeypatch.setattr("hokusai.authorization.time.time", lambda: clock["time"])

    assert authorizer.header() == authorizer.header() == "Bearer hk_token_1"
    clock["monotonic"] = 3600 - 299
    assert authorizer.header() == "Bearer hk_token_2"
    # While a laptop sleeps, only the wall clock goes on.
    clock["time"] += 3600
    assert authorizer.header() == "Bearer hk_token_3"


def test_threads_share_one_token(authorizer: WalletAuthorizer, server: ScriptedServer) -> None:
    server.respond_with(issue_tokens())
    headers = []
    threads = [
        threading.Thread(target=lambda: headers.append(authorizer.header())) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert headers == ["Bearer hk_token_1"] * 20
    assert len(server.requests) == 1


def test_a_rejected_token_is_renewed_unless_another_thread_has_done_so(
    authorizer: WalletAuthorizer, server: ScriptedServer
) -> None:
    server.respond_with(issue_tokens())
    assert authorizer.header() == "Bearer hk_token_1"

    assert authorizer.invalidate("Bearer hk_token_1")
    assert authorizer.header() == "Bearer hk_token_2"
    assert authorizer.invalidate("Bearer hk_token_1")
    assert authorizer.header() == "Bearer hk_token_2"


def test_a_retry_of_the_exchange_has_a_new_signature(
    authorizer: WalletAuthorizer, server: ScriptedServer
) -> None:
    server.respond_with(ConnectionReset(), problem(503, "unavailable"), issue_tokens())

    assert authorizer.header() == "Bearer hk_token_1"
    assert len({request.headers["X-ETH-Message"] for request in server.requests}) == 3


def test_if_the_local_clock_is_wrong_the_gateways_time_is_signed(
    authorizer: WalletAuthorizer, server: ScriptedServer
) -> None:
    stale = problem(401, "signature_stale", Date="Thu, 01 Jan 2099 00:00:00 GMT")
    server.respond_with(stale, issue_tokens())

    assert authorizer.header() == "Bearer hk_token_1"
    message = server.requests[1].headers["X-ETH-Message"]
    assert message.startswith("Hokusai API Access - 2099-01-01T")


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_a_stale_signature_without_the_gateways_time_is_an_error(
    authorizer: WalletAuthorizer, server: ScriptedServer, headers: dict[str, str]
) -> None:
    server.respond_with(problem(401, "signature_stale", **headers))

    with pytest.raises(AuthenticationError, match="signature_stale"):
        authorizer.header()
    assert len(server.requests) == 1


def test_a_refused_signature_and_a_response_without_a_token_are_errors(
    authorizer: WalletAuthorizer, server: ScriptedServer
) -> None:
    server.respond_with(problem(401, "signature_invalid"))
    with pytest.raises(AuthenticationError, match="signature_invalid"):
        authorizer.header()
    server.respond_with(Response(200, {"no": "token"}))
    with pytest.raises(ResponseError, match="has no token"):
        authorizer.header()


def test_a_request_with_an_unknown_token_is_repeated_once_with_a_new_one(
    server: ScriptedServer,
) -> None:
    issue = issue_tokens()
    accepted = {"Bearer hk_token_2"}

    def gateway(request: Request) -> Response:
        if request.path == PATH:
            return issue(request)
        if request.headers["Authorization"] not in accepted:
            return problem(401, "token_expired")
        return Response(200, {"tenant": WALLET_ADDRESS.lower()})

    server.respond_with(gateway)
    client = GatewayClient(GatewayURL.parse(server.url), Credential(PRIVATE_KEY, True, "a test"))
    assert client.request("GET", "/auth/whoami") == {"tenant": WALLET_ADDRESS.lower()}
    accepted.clear()
    with pytest.raises(AuthenticationError, match="token_expired"):
        client.request("GET", "/auth/whoami")
    paths = [request.path for request in server.requests]
    assert paths.count(PATH) == 3
