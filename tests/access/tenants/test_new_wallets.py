"""How many new wallets an address may bring: each of them makes an MLflow workspace for good."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.fixture
def thrifty(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    settings = {"new_wallet_limit": 2, "trusted_proxies": "127.0.0.1"}
    with RunningGateway(new_database(), mlflow_server.url, **settings) as running:
        yield running


def search(gateway: RunningGateway, wallet: Wallet, address: str = "192.0.2.1") -> httpx.Response:
    with gateway.client(**wallet.headers(), **{"X-Forwarded-For": address}) as client:
        return client.get(SEARCH)


def test_an_address_brings_so_many_and_no_more(thrifty: RunningGateway) -> None:
    first, second, third = Wallet(), Wallet(), Wallet()
    good(search(thrifty, first))
    good(search(thrifty, second))
    answer = search(thrifty, third)
    assert "new wallets" in refused(answer, 429, "too_many_wallets")["message"]
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    # The limit of its requests is another one, and has its own headers.
    assert answer.headers["ratelimit-limit"] == "1000000"
    # Who was here before is no news, and another address has a count of its own.
    good(search(thrifty, first))
    good(search(thrifty, third, "192.0.2.2"))
    good(search(thrifty, third))


def test_no_other_way_leads_around_it(thrifty: RunningGateway) -> None:
    for _ in range(2):
        good(search(thrifty, Wallet()))
    wallet = Wallet()
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    with thrifty.client(**forwarded) as client:
        token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        # A token alone makes no workspace; its first use would.
        refused(client.get(SEARCH, headers=bearer), 429, "too_many_wallets")
        body = {"run_id": "0" * 32, "model_type": "c"}
        answer = client.post("/api/models/baseline", json=body, headers=bearer)
        refused(answer, 429, "too_many_wallets")


def test_an_admin_is_not_limited(thrifty: RunningGateway) -> None:
    with thrifty.client(thrifty.key(scopes=[Scope.ADMIN])) as client:
        for _ in range(4):
            made = client.post("/api/admin/tenants", json={"name": Wallet().tenant})
            assert good(made, 201)["ready"]


def test_named_tenants_are_not_counted(thrifty: RunningGateway) -> None:
    for _ in range(4):
        with thrifty.client(thrifty.key()) as client:
            good(client.get(SEARCH))
