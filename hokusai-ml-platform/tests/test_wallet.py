"""Wallets: signed requests, and tokens that are renewed in time."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from conftest import make_client
from hokusai.auth import HokusaiAuth
from hokusai.authorization import WalletAuthorizer
from hokusai.client import GatewayClient
from hokusai.credentials import Credential
from hokusai.errors import AnswerError, AuthenticationError, CredentialError
from hokusai.gateway_url import GatewayURL
from hokusai.wallet_signer import WalletSigner
from scripted import Answer, Pause, Request, Reset, ScriptedServer, problem

PRIVATE_KEY = "0x" + "11" * 32
ADDRESS = Account.from_key(PRIVATE_KEY).address


def tokens(lifetime: int = 3600) -> Any:
    """Answers of POST /api/auth/token, each with a token of its own."""
    lock = threading.Lock()
    given = iter(range(1, 1000))

    def answer(request: Request) -> Answer:
        assert request.path == "/api/auth/token"
        assert signer(request) == ADDRESS
        with lock:
            number = next(given)
        return Answer(201, {"access_token": f"hk_token_{number}", "expires_in": lifetime})

    return answer


def signer(request: Request) -> str:
    message = encode_defunct(text=request.headers["X-ETH-Message"])
    found: str = Account.recover_message(message, signature=request.headers["X-ETH-Signature"])
    assert found == request.headers["X-ETH-Address"]
    return found


@pytest.fixture
def authorizer(server: ScriptedServer, pause: Pause) -> WalletAuthorizer:
    return WalletAuthorizer(WalletSigner(PRIVATE_KEY), make_client(server, pause))


def test_each_request_is_signed_afresh(server: ScriptedServer) -> None:
    server.answers(Answer(200, {"experiments": []}))
    auth = HokusaiAuth(PRIVATE_KEY, f"{server.origin}/api")

    for _ in range(2):
        assert auth.make_request("POST", "/mlflow/x", json={"a": 1}) == {"experiments": []}
    first, second = server.requests
    assert signer(first) == signer(second) == ADDRESS
    assert first.headers["X-ETH-Message"] != second.headers["X-ETH-Message"]
    assert (first.path, first.json) == ("/api/mlflow/x", {"a": 1})
    assert "Authorization" not in first.headers


@pytest.mark.parametrize("key", ["", "0x12", "nonsense", "0x" + "zz" * 32, "11" * 31])
def test_what_is_no_private_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(CredentialError) as refused:
        HokusaiAuth(key)

    assert "64 hexadecimal digits" in str(refused.value)
    assert not key or key not in str(refused.value)


def test_the_private_key_is_in_no_representation() -> None:
    assert "1111" not in repr(HokusaiAuth(PRIVATE_KEY))


def test_pythons_recursion_limit_stays_as_it_is() -> None:
    program = (
        "import sys; from hokusai.auth import HokusaiAuth;"
        "HokusaiAuth(sys.argv[1]).get_auth_headers();"
        "print(sys.getrecursionlimit())"
    )

    printed = subprocess.check_output([sys.executable, "-c", program, PRIVATE_KEY], text=True)
    assert printed == "1000\n"


def test_a_token_serves_until_its_end_is_near(
    authorizer: WalletAuthorizer, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(tokens())
    clock = {"monotonic": 0.0, "time": 5000.0}
    monkeypatch.setattr("hokusai.authorization.time.monotonic", lambda: clock["monotonic"])
    monkeypatch.setattr("hokusai.authorization.time.time", lambda: clock["time"])

    assert authorizer.header() == authorizer.header() == "Bearer hk_token_1"
    clock["monotonic"] = 3600 - 299
    assert authorizer.header() == "Bearer hk_token_2"
    # A laptop that slept: one clock stood still.
    clock["time"] += 3600
    assert authorizer.header() == "Bearer hk_token_3"


def test_threads_share_one_token(authorizer: WalletAuthorizer, server: ScriptedServer) -> None:
    server.answers(tokens())
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(authorizer.header())) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["Bearer hk_token_1"] * 20
    assert len(server.requests) == 1


def test_a_fault_of_the_exchange_is_repeated_with_another_signature(
    authorizer: WalletAuthorizer, server: ScriptedServer
) -> None:
    server.answers(Reset(), problem(503, "unavailable"), tokens())

    assert authorizer.header() == "Bearer hk_token_1"
    assert len({request.headers["X-ETH-Message"] for request in server.requests}) == 3


def test_a_clock_that_is_wrong_is_set_by_the_gateways(
    authorizer: WalletAuthorizer, server: ScriptedServer
) -> None:
    stale = problem(401, "signature_stale", Date="Thu, 01 Jan 2099 00:00:00 GMT")
    server.answers(stale, tokens())

    assert authorizer.header() == "Bearer hk_token_1"
    message = server.requests[1].headers["X-ETH-Message"]
    assert message.startswith("Hokusai API Access - 2099-01-01T")


def test_a_refused_wallet_is_told(authorizer: WalletAuthorizer, server: ScriptedServer) -> None:
    server.answers(problem(401, "signature_invalid"))
    with pytest.raises(AuthenticationError, match="signature_invalid"):
        authorizer.header()
    server.answers(Answer(200, {"no": "token"}))
    with pytest.raises(AnswerError, match="has no token"):
        authorizer.header()


def test_a_token_that_is_not_known_any_more_is_renewed_once(
    server: ScriptedServer, pause: Pause
) -> None:
    give = tokens()
    known = {"Bearer hk_token_2"}

    def gateway(request: Request) -> Answer:
        if request.path == "/api/auth/token":
            answer: Answer = give(request)
            return answer
        if request.headers["Authorization"] not in known:
            return problem(401, "token_expired")
        return Answer(200, {"tenant": ADDRESS.lower()})

    server.answers(gateway)
    address = GatewayURL.parse(server.url)
    client = GatewayClient(address, Credential(PRIVATE_KEY, True, "a test"))
    assert client.request("GET", "/auth/whoami") == {"tenant": ADDRESS.lower()}
    known.clear()
    with pytest.raises(AuthenticationError, match="token_expired"):
        client.request("GET", "/auth/whoami")
    paths = [request.path for request in server.requests]
    assert paths.count("/api/auth/token") == 3
