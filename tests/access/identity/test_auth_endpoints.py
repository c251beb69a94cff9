"""Signing in with a wallet, and showing the caller."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.access.identity.conftest import Pair
from tests.access.identity.signing_in import CREATE, HOST, NONCE, TOKEN, bearer, nonce
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"


@pytest.fixture
def client(signing_in: RunningGateway) -> Iterator[httpx.Client]:
    with signing_in.client() as anonymous:
        yield anonymous


def test_whoami_shows_the_caller(gateway: RunningGateway) -> None:
    key = gateway.key("whoami tenant", [Scope.WRITE, Scope.READ], rate_limit=7)
    with gateway.client(key) as client:
        me = good(client.get(WHOAMI))
    assert me == {
        "principal": f"key:{me['credential']}",
        "tenant": "whoami tenant",
        "scopes": ["read", "write"],
        "credential": me["credential"],
        "address": None,
        "session": None,
        "rate_limit": 7,
        "expires_at": me["expires_at"],
    }


def test_signed_headers_are_exchanged_for_a_token(client: httpx.Client) -> None:
    wallet = Wallet()
    issued = good(client.post(TOKEN, headers=wallet.headers()), 201)
    assert issued["access_token"].startswith("hk_token_")
    assert (issued["expires_in"], issued["address"]) == (3600, wallet.address)
    assert issued["scopes"] == ["read", "write", "register", "attest"]
    me = good(client.get(WHOAMI, headers=bearer(issued)))
    assert (me["principal"], me["tenant"]) == (wallet.principal, wallet.tenant)
    assert me["scopes"] == issued["scopes"]
    good(client.post(CREATE, json={"name": "x"}, headers=bearer(issued)))
    # Unlike a signature, it authorises any number of changes.
    good(client.post(CREATE, json={"name": "y"}, headers=bearer(issued)))


def test_a_siwe_message_is_exchanged_for_a_token(client: httpx.Client) -> None:
    wallet = Wallet()
    body = wallet.siwe(HOST, nonce(client), statement="Sign in to the registry.")
    issued = good(client.post(TOKEN, json=body), 201)
    me = good(client.get(WHOAMI, headers=bearer(issued)))
    assert (me["principal"], me["address"]) == (wallet.principal, wallet.address)


BAD_SIWE: dict[str, tuple[str, dict[str, Any]]] = {
    "another site": ("signature_invalid", {"domain": "evil.example"}),
    "another site's URI": ("signature_invalid", {"uri": "https://evil.example/login"}),
    "made-up nonce": ("signature_spent", {"nonce": "0123456789abcdef"}),
    "expired": ("signature_stale", {"expiration_time": datetime(2020, 1, 1, tzinfo=UTC)}),
    "issued long ago": ("signature_stale", {"issued_at": datetime(2020, 1, 1, tzinfo=UTC)}),
    "issued in future": ("signature_stale", {"issued_at": datetime(2100, 1, 1, tzinfo=UTC)}),
    "not yet": ("signature_stale", {"not_before": datetime(2100, 1, 1, tzinfo=UTC)}),
}


@pytest.mark.parametrize("kind", BAD_SIWE)
def test_an_invalid_siwe_message_does_not_consume_its_nonce(
    client: httpx.Client, kind: str
) -> None:
    reason, fields = BAD_SIWE[kind]
    wallet, fresh = Wallet(), nonce(client)
    answer = client.post(TOKEN, json=wallet.siwe(HOST, **{"nonce": fresh, **fields}))
    refused(answer, 401, reason)
    good(client.post(TOKEN, json=wallet.siwe(HOST, fresh)), 201)


def test_the_signature_of_a_siwe_message_is_verified(client: httpx.Client) -> None:
    wallet = Wallet()
    one, other = (wallet.siwe(HOST, nonce(client)) for _ in range(2))
    stranger = Wallet().sign(one["message"])
    for signature in (other["signature"], stranger, "00" * 65, "zz", "\x01", "é"):
        answer = client.post(TOKEN, json={"message": one["message"], "signature": signature})
        refused(answer, 401, "signature_invalid")
    good(client.post(TOKEN, json=one), 201)


def test_a_siwe_message_needs_message_and_signature(client: httpx.Client) -> None:
    body = Wallet().siwe(HOST, nonce(client))
    for part in ("message", "signature"):
        answer = client.post(TOKEN, json={part: body[part]})
        refused(answer, 401, "credentials_missing")


def test_a_key_or_a_token_cannot_be_exchanged_for_a_token(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    refused(client.post(TOKEN), 401, "credentials_missing")
    with signing_in.client(signing_in.key()) as keyed:
        refused(keyed.post(TOKEN), 401, "signature_invalid")
    issued = good(client.post(TOKEN, headers=Wallet().headers()), 201)
    refused(client.post(TOKEN, headers=bearer(issued)), 401, "signature_invalid")
    both = {**Wallet().headers(), "X-API-Key": "hk_live_other"}
    refused(client.post(TOKEN, headers=both), 400, "ambiguous_credentials")


def test_a_wallets_key_token_and_signature_are_one_principal(client: httpx.Client) -> None:
    wallet = Wallet()
    key = good(client.post("/api/keys", json={"name": "n"}, headers=wallet.headers()), 201)["key"]
    issued = good(client.post(TOKEN, headers=wallet.headers()), 201)
    seen = [
        good(client.get(WHOAMI, headers=headers))
        for headers in (wallet.headers(), {"X-API-Key": key}, bearer(issued))
    ]
    assert {one["principal"] for one in seen} == {wallet.principal}
    assert {one["tenant"] for one in seen} == {wallet.tenant}
    assert {one["address"] for one in seen} == {wallet.address}
    assert len({one["credential"] for one in seen}) == 3


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"trusted_proxies": ("10.0.0.0/8",)}],  # noqa: S104
    ids=["all addresses", "behind a proxy"],
)
def test_siwe_is_disabled_without_a_public_url(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, settings: dict[str, Any]
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as running,
        running.client() as client,
    ):
        wallet = Wallet()
        for host in ("localhost:8000", f"127.0.0.1:{running.port}", "[::1]:8000"):
            body = wallet.siwe(host, "12345678abc")
            headers = {"Host": host}
            for answer in (client.get(NONCE), client.post(TOKEN, json=body, headers=headers)):
                problem = refused(answer, 403, "sign_in_off")
                assert "HOKUSAI_PUBLIC_URL" in problem["message"]
        # The headers name no host, so they need no public URL.
        good(client.post(TOKEN, headers=wallet.headers()), 201)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_a_gateway_on_a_loopback_address_accepts_its_local_names(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, host: str
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, port=8123) as running,
        running.client() as client,
    ):
        wallet = Wallet()
        body = wallet.siwe(f"{host}:8123", nonce(client))
        issued = good(client.post(TOKEN, json=body), 201)
        assert issued["address"] == wallet.address
        for elsewhere in (f"{host}:8124", host, "registry.example:8123"):
            body = wallet.siwe(elsewhere, nonce(client))
            refused(client.post(TOKEN, json=body), 401, "signature_invalid")


def test_a_token_of_one_gateway_works_at_the_other(pair: Pair) -> None:
    one, other = pair
    with one.client(**Wallet().headers()) as client:
        token = good(client.post("/api/auth/token"), 201)["access_token"]
    with other.client(token) as client:
        good(client.get(WHOAMI))
