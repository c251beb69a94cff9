"""A tenant's first request creates its workspace; new wallets are limited per address."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import AsyncMock, Mock

import httpx
import pytest

from app.access.tenants.workspaces import SHARED, Workspace, Workspaces
from app.core.errors import UpstreamError
from app.core.request.actor import CLI
from app.core.request.principal import Principal, Scope
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.access.tenants.conftest import TENANTS, in_mlflow, listed, unused, workspace_events
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
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


def test_new_wallets_are_limited_per_address(thrifty: RunningGateway) -> None:
    first, second, third = Wallet(), Wallet(), Wallet()
    good(search(thrifty, first))
    good(search(thrifty, second))
    answer = search(thrifty, third)
    assert "new wallets" in refused(answer, 429, "too_many_wallets")["message"]
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    # The headers are those of the principal's own limit.
    assert answer.headers["ratelimit-limit"] == "1000000"
    # An existing wallet does not count, and another address has a separate count.
    good(search(thrifty, first))
    good(search(thrifty, third, "192.0.2.2"))
    good(search(thrifty, third))


# Every request by which a wallet can become a tenant, with its status where the wallet is known.
FIRSTS = {
    "mlflow": ("GET", SEARCH, None, 200),
    "token": ("POST", "/api/auth/token", None, 201),
    "key": ("POST", "/api/keys", {"name": "n", "expires_in_days": 1}, 201),
    "registration": (
        "POST",
        "/api/models/baseline",
        {"run_id": "0" * 32, "model_type": "c"},
        404,
    ),
    "attestation": ("POST", "/api/attestations", {"improved_run_id": "0" * 32}, 404),
}


@pytest.mark.parametrize("kind", FIRSTS)
def test_each_way_to_become_a_tenant_counts_on_the_address(
    thrifty: RunningGateway, kind: str
) -> None:
    method, path, body, status = FIRSTS[kind]

    def send(wallet: Wallet, address: str) -> httpx.Response:
        with thrifty.client(**wallet.headers(), **{"X-Forwarded-For": address}) as client:
            return client.request(method, path, json=body)

    for wallet in (first := Wallet(), Wallet()):
        assert send(wallet, "192.0.2.1").status_code == status
    refused_wallet = Wallet()
    refused(send(refused_wallet, "192.0.2.1"), 429, "too_many_wallets")
    # Nothing is left of the refused one; known wallets and other addresses have no part in this.
    rows = sql(thrifty, "select 1 from tenants where name = %s", refused_wallet.tenant)
    assert rows == []
    assert send(first, "192.0.2.1").status_code == status
    good(search(thrifty, Wallet(), "192.0.2.2"))
    audited = sql(
        thrifty,
        "select client, request_id is not null from audit_events where action = 'tenant.created'"
        " and actor like 'wallet:%%' order by id",
    )
    assert audited == [("192.0.2.1", True)] * 2 + [("192.0.2.2", True)]


def test_an_admin_may_create_any_number_of_wallet_tenants(thrifty: RunningGateway) -> None:
    with thrifty.client(thrifty.key(scopes=[Scope.ADMIN])) as client:
        for _ in range(4):
            made = client.post("/api/admin/tenants", json={"name": Wallet().tenant})
            assert good(made, 201)["ready"]


def test_named_tenants_are_not_counted(thrifty: RunningGateway) -> None:
    for _ in range(4):
        with thrifty.client(thrifty.key()) as client:
            good(client.get(SEARCH))


CREATE_RUN = "/api/mlflow/api/2.0/mlflow/runs/create"


def test_concurrent_first_requests_of_a_wallet_all_succeed(
    gateway: RunningGateway, mlflow_server: ChildMLflow
) -> None:
    wallet = Wallet()

    def first(number: int) -> httpx.Response:
        with gateway.client(**wallet.headers(seconds=-number)) as client:
            if number % 2:
                return client.get(SEARCH, params={"max_results": 10})
            return client.post(CREATE_RUN, json={"experiment_id": "0"})

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(first, range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    # One experiment, with every run in it.
    found = {one["experiment_id"] for a in answers[1::2] for one in a.json()["experiments"]}
    used = {answer.json()["run"]["info"]["experiment_id"] for answer in answers[::2]}
    assert used == found
    assert len(used) == 1
    assert in_mlflow(mlflow_server).count(wallet.tenant) == 1
    assert len(workspace_events(gateway, wallet.tenant)) == 1


def test_many_first_requests_use_one_connection_to_the_database(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, database_connections=1) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        good(client.get("/api/limits"))  # the key is known now, and the workspace is not
        with ThreadPoolExecutor(100) as pool:
            answers = list(
                pool.map(lambda _: client.get(SEARCH, params={"max_results": 1}), range(300))
            )
        assert {answer.status_code for answer in answers} == {200}


def test_a_workspace_is_created_on_first_use_if_mlflow_was_unavailable(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    url = new_database()
    name, other = unused(), unused()
    with (
        RunningGateway(url, "http://127.0.0.1:9") as cut_off,
        cut_off.client(cut_off.key(scopes=ALL_SCOPES)) as admin,
    ):
        made = good(admin.post(TENANTS, json={"name": name}), 201)
        assert made["ready"] is False
        issued = good(admin.post("/api/admin/keys", json={"name": "n", "tenant": other}), 201)
        with cut_off.client(issued["key"]) as client:
            refused(client.get(SEARCH, params={"max_results": 1}), 502, "upstream_unreachable")
        assert {one["name"]: one["ready"] for one in listed(admin)}[other] is False
    assert not {name, other} & set(in_mlflow(mlflow_server))
    with RunningGateway(url, mlflow_server.url) as running:
        for key in (issued["key"], running.key(name)):
            with running.client(key) as client:
                good(client.get(SEARCH, params={"max_results": 1}))
        with running.client(running.key(scopes=ALL_SCOPES)) as admin:
            ready = {one["name"]: one["ready"] for one in listed(admin)}
        assert ready[name]
        assert ready[other]
    assert {name, other} <= set(in_mlflow(mlflow_server))


# --- the cache of one worker ---


async def test_a_shared_mlflow_has_one_workspace() -> None:
    workspaces = Workspaces(Mock(), Mock(), "shared")
    principal = Principal("key:a", "a", "acme", frozenset())
    assert workspaces.cached("acme") == SHARED == Workspace(None, "0")
    assert await workspaces.get_or_create(principal, CLI) == SHARED
    assert await workspaces.ensure("acme", CLI) == SHARED


async def test_a_workspace_is_created_once_and_then_cached(
    new_database: Callable[[], str],
) -> None:
    mlflow = AsyncMock()
    mlflow.ensure_default_experiment.return_value = "7"
    database = Database(new_database(), connections=2)
    workspaces = Workspaces(database, mlflow, "workspaces")
    principal = Principal("key:a", "a", "acme", frozenset())
    assert workspaces.cached("acme") is None
    created = await asyncio.gather(*(workspaces.get_or_create(principal, CLI) for _ in range(10)))
    assert set(created) == {Workspace("acme", "7")}
    assert workspaces.cached("acme") == Workspace("acme", "7")
    assert await workspaces.get_or_create(principal, CLI) == Workspace("acme", "7")
    mlflow.create_workspace.assert_awaited_once_with("acme")
    # Another worker finds it in the database.
    other = Workspaces(database, mlflow, "workspaces")
    assert await other.get_or_create(principal, CLI) == Workspace("acme", "7")
    mlflow.create_workspace.assert_awaited_once()
    await database.close()


async def test_an_mlflow_without_workspaces_is_refused(new_database: Callable[[], str]) -> None:
    mlflow = AsyncMock()
    mlflow.has_workspaces.return_value = False
    database = Database(new_database(), connections=1)
    workspaces = Workspaces(database, mlflow, "workspaces")
    with pytest.raises(UpstreamError, match="--enable-workspaces"):
        await workspaces.ensure("acme", CLI)
    await workspaces.try_ensure("acme", CLI)  # only logged
    assert workspaces.cached("acme") is None
    await database.close()
