"""Keys of wallets: what the message of X-ETH-* headers and a SIWE message each allow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.access.identity.signing_in import HOST
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

KEYS, WHOAMI = "/api/keys", "/api/auth/whoami"


@pytest.fixture
def client(signing_in: RunningGateway) -> Iterator[httpx.Client]:
    with signing_in.client() as opened:
        yield opened


def siwe(client: httpx.Client, wallet: Wallet) -> dict[str, str]:
    return wallet.siwe(HOST, good(client.get("/api/auth/nonce"))["nonce"])


def create(client: httpx.Client, wallet: Wallet, *, signed_in: bool = False, **asked: Any) -> Any:
    if signed_in:
        asked["siwe"] = siwe(client, wallet)
    answer = client.post(KEYS, json={"name": "n", **asked}, headers=wallet.headers())
    return good(answer, 201)


def life(key: Any) -> timedelta:
    return datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)


def test_a_message_that_names_no_host_creates_a_key_for_a_day_that_creates_none(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    key = create(client, wallet)
    assert timedelta(hours=23) < life(key) <= timedelta(days=1)
    with signing_in.client(key["key"]) as mine:
        good(mine.get(WHOAMI))
        for answer in (
            mine.post(KEYS, json={"name": "more"}),
            mine.post(f"{KEYS}/{key['id']}/rotate"),
        ):
            refused(answer, 403, "permission_denied")
        # The wallet can rotate it, to the same end.
        rotated = client.post(f"{KEYS}/{key['id']}/rotate", headers=wallet.headers())
        assert good(rotated, 201)["expires_at"] == key["expires_at"]
        assert rotated.json()["may_issue"] is False


@pytest.mark.parametrize("days", [2, 90, 365, None])
def test_a_longer_lifetime_than_possible_is_refused_with_words(
    client: httpx.Client, days: int | None
) -> None:
    wallet = Wallet()
    body: dict[str, Any] = {"name": "n", "expires_in_days": days}
    bare = client.post(KEYS, json=body, headers=wallet.headers())
    message = refused(bare, 403, "permission_denied")["message"]
    assert "expires_in_days" in message
    assert "siwe" in message
    signed = client.post(
        KEYS, json={**body, "siwe": siwe(client, wallet)}, headers=wallet.headers()
    )
    if days is not None and days <= 90:
        assert timedelta(days=days - 1) < life(good(signed, 201)) <= timedelta(days=days)
    else:
        assert "90 days" in refused(signed, 403, "permission_denied")["message"]


def test_a_siwe_message_creates_a_key_of_ninety_days_that_creates_keys(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    key = create(client, Wallet(), signed_in=True)
    assert timedelta(days=89) < life(key) <= timedelta(days=90)
    with signing_in.client(key["key"]) as mine:
        child = good(mine.post(KEYS, json={"name": "more"}), 201)
    assert child["expires_at"] == key["expires_at"]


def test_a_token_with_a_siwe_message_creates_a_key(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    token = good(client.post("/api/auth/token", json=siwe(client, wallet)), 201)["access_token"]
    with signing_in.client(token) as mine:
        refused(mine.post(KEYS, json={"name": "n"}), 403, "permission_denied")
        body = {"name": "n", "siwe": siwe(client, wallet)}
        assert life(good(mine.post(KEYS, json=body), 201)) > timedelta(days=89)
        refused(mine.post(KEYS, json={**body, "name": "again"}), 401, "signature_spent")


def test_a_siwe_message_of_another_wallet_or_for_a_key_of_the_operator_is_refused(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    body = {"name": "n", "siwe": siwe(client, Wallet())}
    refused(client.post(KEYS, json=body, headers=Wallet().headers()), 401, "signature_invalid")
    body = {"name": "n", "siwe": siwe(client, Wallet())}
    with signing_in.client(signing_in.key()) as operators:
        refused(operators.post(KEYS, json=body), 403, "permission_denied")


def test_a_message_that_names_no_host_does_not_rotate_a_longer_key(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    key = create(client, wallet, signed_in=True)
    path = f"{KEYS}/{key['id']}/rotate"
    problem = refused(client.post(path, headers=wallet.headers()), 403, "permission_denied")
    assert "SIWE" in problem["message"]
    rotated = client.post(path, json={"siwe": siwe(client, wallet)}, headers=wallet.headers())
    assert good(rotated, 201)["expires_at"] == key["expires_at"]
    with signing_in.client(rotated.json()["key"]) as mine:
        again = good(mine.post(f"{KEYS}/{rotated.json()['id']}/rotate"), 201)
    assert again["expires_at"] == key["expires_at"]


def test_a_wallet_ends_the_rotation_chain_of_a_stolen_key(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    stolen = create(client, wallet, signed_in=True)
    with signing_in.client(stolen["key"]) as thief:
        successor = good(thief.post(f"{KEYS}/{stolen['id']}/rotate"), 201)
    with signing_in.client(successor["key"]) as thief:
        good(thief.get(WHOAMI))
        ended = client.delete(
            f"{KEYS}/{stolen['id']}", params={"rotation_chain": True}, headers=wallet.headers()
        )
        good(ended, 204)
        wait_until(lambda: thief.get(WHOAMI).status_code == 401)


def test_a_wallet_ends_all_its_keys_and_tokens(
    signing_in: RunningGateway, client: httpx.Client
) -> None:
    wallet, other = Wallet(), Wallet()
    bare, signed = create(client, wallet), create(client, wallet, signed_in=True)
    with signing_in.client(signed["key"]) as mine:
        child = good(mine.post(KEYS, json={"name": "child"}), 201)
    token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)["access_token"]
    theirs = create(client, other)["key"]
    secrets = [bare["key"], signed["key"], child["key"], token]
    clients = [signing_in.client(secret) for secret in secrets]
    for one in clients:
        good(one.get(WHOAMI))
    # A key of the wallet's own ends single keys only.
    refused(clients[1].delete(KEYS), 403, "permission_denied")
    ended = good(client.delete(KEYS, headers=wallet.headers()))
    assert ended == {"keys": 3, "tokens": 1, "sessions": 0}
    for one in clients:
        wait_until(lambda one=one: one.get(WHOAMI).status_code == 401)  # type: ignore[misc]
        one.close()
    with signing_in.client(theirs) as untouched:
        good(untouched.get(WHOAMI))
    assert good(client.delete(KEYS, headers=wallet.headers())) == {
        "keys": 0,
        "tokens": 0,
        "sessions": 0,
    }


def test_a_wallet_ends_its_tokens_alone(signing_in: RunningGateway, client: httpx.Client) -> None:
    wallet = Wallet()
    tokens = [
        good(client.post("/api/auth/token", headers=wallet.headers(-number)), 201)["access_token"]
        for number in range(2)
    ]
    key = create(client, wallet)["key"]
    with signing_in.client(tokens[0]) as one, signing_in.client(tokens[1]) as other:
        good(other.get(WHOAMI))
        assert good(one.delete("/api/auth/tokens")) == {"tokens": 2}
        wait_until(lambda: other.get(WHOAMI).status_code == 401)
        assert "revoked" in refused(other.get(WHOAMI), 401, "token_invalid")["message"]
    with signing_in.client(key) as mine:
        good(mine.get(WHOAMI))
