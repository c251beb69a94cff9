"""The nonces of SIWE messages, and the lifetime and scopes of tokens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.access.identity.signing_in import CREATE, HOST, NONCE, TOKEN, bearer, nonce
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"


@pytest.fixture
def client(signing_in: RunningGateway) -> Iterator[httpx.Client]:
    with signing_in.client() as anonymous:
        yield anonymous


def test_a_nonce_is_valid_once(client: httpx.Client) -> None:
    wallet = Wallet()
    body = wallet.siwe(HOST, nonce(client))
    good(client.post(TOKEN, json=body), 201)
    refused(client.post(TOKEN, json=body), 401, "signature_spent")
    # Another wallet cannot use it either.
    taken = body["message"].split("Nonce: ")[1].split("\n")[0]
    refused(client.post(TOKEN, json=Wallet().siwe(HOST, taken)), 401, "signature_spent")


def test_concurrent_uses_of_a_nonce_give_one_token(signing_in: RunningGateway) -> None:
    with signing_in.client() as client, ThreadPoolExecutor(10) as pool:
        body = Wallet().siwe(HOST, nonce(client))
        answers = list(pool.map(lambda _: client.post(TOKEN, json=body), range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 9


def test_a_nonce_expires_after_ten_minutes(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    made = good(client.get(NONCE))
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    sql(signing_in, "update nonces set expires_at = now() where value = %s", made["nonce"])
    answer = client.post(TOKEN, json=Wallet().siwe(HOST, made["nonce"]))
    refused(answer, 401, "signature_spent")


@pytest.mark.parametrize("seconds", [900, 1800, 3600])
def test_a_token_has_the_requested_lifetime(
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
def test_the_lifetime_of_a_token_is_bounded(client: httpx.Client, seconds: object) -> None:
    wallet = Wallet()
    answer = client.post(TOKEN, json={"expires_in": seconds}, headers=wallet.headers())
    if seconds is None:
        good(answer, 201)
    else:
        refused(answer, 422, "validation_failed")


def test_a_token_expires_no_later_than_its_siwe_message(client: httpx.Client) -> None:
    end = datetime.now(UTC) + timedelta(minutes=20)
    body = Wallet().siwe(HOST, nonce(client), expiration_time=end)
    issued = good(client.post(TOKEN, json={**body, "expires_in": 3600}), 201)
    assert 1100 < issued["expires_in"] <= 1200


def test_a_token_may_have_fewer_scopes(client: httpx.Client) -> None:
    answer = client.post(TOKEN, json={"scopes": ["read"]}, headers=Wallet().headers())
    issued = good(answer, 201)
    assert issued["scopes"] == ["read"]
    refused(client.post(CREATE, json={"name": "x"}, headers=bearer(issued)), 403, "scope_missing")


@pytest.mark.parametrize("scopes", [["admin"], ["read", "admin"]])
def test_a_wallet_cannot_have_the_scope_admin(client: httpx.Client, scopes: list[str]) -> None:
    wallet = Wallet()
    by_headers = client.post(TOKEN, json={"scopes": scopes}, headers=wallet.headers())
    refused(by_headers, 403, "permission_denied")
    body = {**wallet.siwe(HOST, nonce(client)), "scopes": scopes}
    refused(client.post(TOKEN, json=body), 403, "permission_denied")
    # The refused request has not consumed the nonce.
    del body["scopes"]
    good(client.post(TOKEN, json=body), 201)


@pytest.mark.parametrize("scopes", [[], ["root"], "read", [None]])
def test_unknown_scopes_are_refused(client: httpx.Client, scopes: object) -> None:
    answer = client.post(TOKEN, json={"scopes": scopes}, headers=Wallet().headers())
    refused(answer, 422, "validation_failed")
