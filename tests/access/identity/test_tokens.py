"""Tokens for wallets: by signed headers and by Sign-In with Ethereum."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
TOKEN = "/api/auth/token"
NONCE = "/api/auth/nonce"
CREATE = "/api/mlflow/api/2.0/mlflow/experiments/create"
HOST = "registry.example"


@pytest.fixture(scope="module")
def signing_in(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that knows its public name."""
    url = f"https://{HOST}"
    with RunningGateway(new_database(), mlflow_server.url, public_url=url) as running:
        yield running


@pytest.fixture
def client(signing_in: RunningGateway) -> Iterator[httpx.Client]:
    with signing_in.client() as anonymous:
        yield anonymous


def nonce(client: httpx.Client) -> str:
    return str(good(client.get(NONCE))["nonce"])


def bearer(issued: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"{issued['token_type']} {issued['access_token']}"}


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
    # Unlike a signature, it is good for any number of changes.
    good(client.post(CREATE, json={"name": "y"}, headers=bearer(issued)))


def test_a_siwe_message_is_exchanged_for_a_token(client: httpx.Client) -> None:
    wallet = Wallet()
    body = wallet.siwe(HOST, nonce(client), statement="Sign in to the registry.")
    issued = good(client.post(TOKEN, json=body), 201)
    me = good(client.get(WHOAMI, headers=bearer(issued)))
    assert (me["principal"], me["address"]) == (wallet.principal, wallet.address)


def test_a_nonce_is_good_once(client: httpx.Client) -> None:
    wallet = Wallet()
    body = wallet.siwe(HOST, nonce(client))
    good(client.post(TOKEN, json=body), 201)
    refused(client.post(TOKEN, json=body), 401, "signature_spent")
    # Nor does another wallet get anything for it.
    taken = body["message"].split("Nonce: ")[1].split("\n")[0]
    refused(client.post(TOKEN, json=Wallet().siwe(HOST, taken)), 401, "signature_spent")


def test_ten_uses_of_a_nonce_at_once_give_one_token(signing_in: RunningGateway) -> None:
    with signing_in.client() as client, ThreadPoolExecutor(10) as pool:
        body = Wallet().siwe(HOST, nonce(client))
        answers = list(pool.map(lambda _: client.post(TOKEN, json=body), range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 9


def test_a_nonce_ends_after_ten_minutes(signing_in: RunningGateway, client: httpx.Client) -> None:
    made = good(client.get(NONCE))
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    sql(signing_in, "update nonces set expires_at = now() where value = %s", made["nonce"])
    answer = client.post(TOKEN, json=Wallet().siwe(HOST, made["nonce"]))
    refused(answer, 401, "signature_spent")


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
def test_each_bad_siwe_message_is_refused_and_leaves_its_nonce(
    client: httpx.Client, kind: str
) -> None:
    reason, fields = BAD_SIWE[kind]
    wallet, fresh = Wallet(), nonce(client)
    answer = client.post(TOKEN, json=wallet.siwe(HOST, **{"nonce": fresh, **fields}))
    refused(answer, 401, reason)
    good(client.post(TOKEN, json=wallet.siwe(HOST, fresh)), 201)


def test_a_siwe_message_needs_its_own_signature(client: httpx.Client) -> None:
    wallet = Wallet()
    one, other = (wallet.siwe(HOST, nonce(client)) for _ in range(2))
    stranger = Wallet().sign(one["message"])
    for signature in (other["signature"], stranger, "00" * 65, "zz", "\x01", "é"):
        answer = client.post(TOKEN, json={"message": one["message"], "signature": signature})
        refused(answer, 401, "signature_invalid")
    good(client.post(TOKEN, json=one), 201)


def test_half_a_siwe_message_is_no_proof(client: httpx.Client) -> None:
    body = Wallet().siwe(HOST, nonce(client))
    for part in ("message", "signature"):
        answer = client.post(TOKEN, json={part: body[part]})
        refused(answer, 401, "credentials_missing")


@pytest.mark.parametrize("seconds", [900, 1800, 3600])
def test_a_token_lives_as_long_as_asked(
    signing_in: RunningGateway, client: httpx.Client, seconds: int
) -> None:
    wallet = Wallet()
    answer = client.post(TOKEN, json={"expires_in": seconds}, headers=wallet.headers())
    issued = good(answer, 201)
    assert issued["expires_in"] == seconds
    sql(
        signing_in,
        "update access_tokens set expires_at = expires_at - %s * interval '1 second'"
        " where address = %s",
        seconds,
        wallet.address,
    )
    refused(client.get(WHOAMI, headers=bearer(issued)), 401, "token_expired")


@pytest.mark.parametrize("seconds", [899, 3601, 0, -1, None, "long", 1e99])
def test_no_token_lives_shorter_or_longer(client: httpx.Client, seconds: object) -> None:
    wallet = Wallet()
    answer = client.post(TOKEN, json={"expires_in": seconds}, headers=wallet.headers())
    if seconds is None:
        good(answer, 201)
    else:
        refused(answer, 422, "validation_failed")


def test_a_token_ends_no_later_than_its_siwe_message(client: httpx.Client) -> None:
    end = datetime.now(UTC) + timedelta(minutes=20)
    body = Wallet().siwe(HOST, nonce(client), expiration_time=end)
    issued = good(client.post(TOKEN, json={**body, "expires_in": 3600}), 201)
    assert 1100 < issued["expires_in"] <= 1200


def test_a_token_may_be_narrower(client: httpx.Client) -> None:
    answer = client.post(TOKEN, json={"scopes": ["read"]}, headers=Wallet().headers())
    issued = good(answer, 201)
    assert issued["scopes"] == ["read"]
    refused(client.post(CREATE, json={"name": "x"}, headers=bearer(issued)), 403, "scope_missing")


@pytest.mark.parametrize("scopes", [["admin"], ["read", "admin"]])
def test_no_wallet_is_an_admin(client: httpx.Client, scopes: list[str]) -> None:
    wallet = Wallet()
    by_headers = client.post(TOKEN, json={"scopes": scopes}, headers=wallet.headers())
    refused(by_headers, 403, "permission_denied")
    body = {**wallet.siwe(HOST, nonce(client)), "scopes": scopes}
    refused(client.post(TOKEN, json=body), 403, "permission_denied")
    # The nonce is still good: nothing was given for it.
    del body["scopes"]
    good(client.post(TOKEN, json=body), 201)


@pytest.mark.parametrize("scopes", [[], ["root"], "read", [None]])
def test_scopes_are_ones_that_exist(client: httpx.Client, scopes: object) -> None:
    answer = client.post(TOKEN, json={"scopes": scopes}, headers=Wallet().headers())
    refused(answer, 422, "validation_failed")


def test_a_key_and_a_token_are_no_proof_for_a_token(
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
def test_a_gateway_that_does_not_know_its_name_says_so(
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
        # The headers name no site, and so need none.
        good(client.post(TOKEN, headers=wallet.headers()), 201)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_a_gateway_of_one_machine_knows_its_names(
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
