"""Wallets are free to create, so their requests count on the client's address as well."""

from collections.abc import Iterator
from ipaddress import ip_network

import httpx
import pytest
from pydantic import SecretStr

from app.access.rate_limits import redis_counter
from app.core.request.principal import Scope
from tests.support.gateway import RunningGateway
from tests.support.redis import RunningRedis, free_port
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

ON_ADDRESS = 12
OWN = 5
WHOAMI = "/api/auth/whoami"
SETTINGS = {
    "rate_limit": OWN,
    "wallet_address_limit": ON_ADDRESS,
    "rate_window": 3600,
    "trusted_proxies": (ip_network("127.0.0.1/32"),),
}


@pytest.fixture(scope="module")
def crowded(database: str) -> Iterator[RunningGateway]:
    """A gateway with low limits, behind a trusted proxy."""
    with RunningGateway(database, f"http://127.0.0.1:{free_port()}", **SETTINGS) as running:
        yield running


def whoami(gateway: RunningGateway, wallet: Wallet, address: str) -> httpx.Response:
    with gateway.client(**wallet.headers(), **{"X-Forwarded-For": address}) as client:
        return client.get(WHOAMI)


def test_new_wallets_share_the_limit_of_their_address(crowded: RunningGateway) -> None:
    answers = [whoami(crowded, Wallet(), "192.0.2.1") for _ in range(ON_ADDRESS + 3)]
    assert [answer.status_code for answer in answers] == [200] * ON_ADDRESS + [429] * 3
    message = refused(answers[-1], 429, "rate_limited")["message"]
    assert f"More than {ON_ADDRESS} requests of wallets from this address" in message
    assert "API key" in message
    assert answers[-1].headers["RateLimit-Limit"] == str(ON_ADDRESS)
    # A wallet elsewhere, and a key of the operator's at the same address, are not concerned.
    good(whoami(crowded, Wallet(), "192.0.2.2"))
    with crowded.client(crowded.key(), **{"X-Forwarded-For": "192.0.2.1"}) as operators:
        good(operators.get(WHOAMI))


def test_an_ipv6_64_is_one_address(crowded: RunningGateway) -> None:
    statuses = [
        whoami(crowded, Wallet(), f"2001:db8:7:1::{host:x}").status_code
        for host in range(ON_ADDRESS + 1)
    ]
    assert statuses == [200] * ON_ADDRESS + [429]
    good(whoami(crowded, Wallet(), "2001:db8:7:2::1"))


def test_the_tokens_and_keys_of_wallets_count_as_well(crowded: RunningGateway) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.10"}
    secrets = []
    for kind in ("token", "key") * 3:
        wallet = Wallet()
        with crowded.client(**wallet.headers(), **forwarded) as client:
            if kind == "token":
                secrets.append(good(client.post("/api/auth/token"), 201)["access_token"])
            else:
                made = client.post("/api/keys", json={"name": "n", "expires_in_days": 1})
                secrets.append(good(made, 201)["key"])
    left = ON_ADDRESS - 3  # creating a key is a wallet's request; a token is created anonymously
    statuses = []
    for number in range(left + 1):
        with crowded.client(secrets[number % len(secrets)], **forwarded) as client:
            statuses.append(client.get(WHOAMI).status_code)
    assert statuses == [200] * left + [429]


def test_a_wallet_has_its_own_limit_below_that_of_the_address(crowded: RunningGateway) -> None:
    wallet = Wallet()
    answers = [whoami(crowded, wallet, "192.0.2.20") for _ in range(OWN + 1)]
    assert [answer.status_code for answer in answers] == [200] * OWN + [429]
    assert (
        "MLFLOW_ENABLE_ASYNC_LOGGING=true" in refused(answers[-1], 429, "rate_limited")["message"]
    )
    # The headers show the limit that ends first.
    assert [int(answer.headers["RateLimit-Remaining"]) for answer in answers[:OWN]] == [
        4,
        3,
        2,
        1,
        0,
    ]
    good(whoami(crowded, Wallet(), "192.0.2.20"))


@pytest.mark.usefixtures("patience")
def test_redis_counts_the_addresses_of_two_gateways_together(
    database: str, redis: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_counter, "PREFIX", "wallet-addresses:")
    nowhere = f"http://127.0.0.1:{free_port()}"
    shared = {**SETTINGS, "redis_url": SecretStr(redis.url)}
    with (
        RunningGateway(database, nowhere, **shared) as one,
        RunningGateway(database, nowhere, **shared) as other,
    ):
        statuses = [
            whoami((one, other)[number % 2], Wallet(), "192.0.2.30").status_code
            for number in range(ON_ADDRESS + 2)
        ]
        good(whoami(one, Wallet(), "192.0.2.31"))
        with one.client(one.key(scopes=[Scope.READ]), **{"X-Forwarded-For": "192.0.2.30"}) as key:
            good(key.get(WHOAMI))
    assert statuses == [200] * ON_ADDRESS + [429] * 2
