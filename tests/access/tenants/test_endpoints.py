"""Tenants over HTTP, and the MLflow workspaces behind them."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

TENANTS = "/api/admin/tenants"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search"
CREATE_RUN = "/api/mlflow/api/2.0/mlflow/runs/create"


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
        yield client


def unused() -> str:
    return f"t-{secrets.token_hex(6)}"


def in_mlflow(server: ChildMLflow) -> list[str]:
    """The workspaces that MLflow itself has."""
    answer = httpx.get(f"{server.url}/api/3.0/mlflow/workspaces", trust_env=False)
    return [one["name"] for one in answer.raise_for_status().json()["workspaces"]]


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    items, cursor = [], None
    while True:
        page = good(
            client.get(TENANTS, params={"limit": 7, **({"cursor": cursor} if cursor else {})})
        )
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


def workspace_events(gateway: RunningGateway, tenant: str) -> list[tuple[Any, ...]]:
    statement = "select action from audit_events where tenant = %s and action = 'tenant.created'"
    return sql(gateway, statement, tenant)


def test_a_tenant_gets_its_workspace(admin: httpx.Client, mlflow_server: ChildMLflow) -> None:
    name = unused()
    made = good(admin.post(TENANTS, json={"name": name}), 201)
    assert (made["name"], made["workspace"], made["ready"]) == (name, name, True)
    assert name in in_mlflow(mlflow_server)
    assert [tenant for tenant in listed(admin) if tenant["name"] == name] == [made]


def test_a_name_that_mlflow_would_not_take_gets_a_workspace_too(
    gateway: RunningGateway, admin: httpx.Client, mlflow_server: ChildMLflow
) -> None:
    name = f"Acme Ltd. {secrets.token_hex(4)}"
    made = good(admin.post(TENANTS, json={"name": name}), 201)
    assert made["workspace"] != name
    assert made["workspace"] in in_mlflow(mlflow_server)
    with gateway.client(gateway.key(name)) as client:
        answer = good(client.get(SEARCH, params={"max_results": 10}))
        assert [one["name"] for one in answer["experiments"]] == ["Default"]


def test_the_same_tenant_twice_is_a_conflict(gateway: RunningGateway, admin: httpx.Client) -> None:
    name = unused()
    good(admin.post(TENANTS, json={"name": name}), 201)
    refused(admin.post(TENANTS, json={"name": name}), 409, "conflict")
    assert len(workspace_events(gateway, name)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": " x"},
        {"name": "x "},
        {"name": "a/b"},
        {"name": "ü"},
        {"name": "x" * 64},
        {"name": "control\x01"},
        {"name": None},
        {"name": "x", "more": 1},
    ],
)
def test_a_bad_name_is_refused(admin: httpx.Client, body: dict[str, object]) -> None:
    before = len(listed(admin))
    refused(admin.post(TENANTS, json=body), 422, "validation_failed")
    assert len(listed(admin)) == before


def test_tenants_are_listed_by_name_in_pages(admin: httpx.Client) -> None:
    for _ in range(3):
        good(admin.post(TENANTS, json={"name": unused()}), 201)
    names = [tenant["name"] for tenant in listed(admin)]
    first = good(admin.get(TENANTS, params={"limit": 2}))
    assert [tenant["name"] for tenant in first["items"]] == names[:2]
    second = good(admin.get(TENANTS, params={"limit": 2, "cursor": first["next"]}))
    assert [tenant["name"] for tenant in second["items"]] == names[2:4]
    assert len(set(names)) == len(names)


def test_ten_requests_that_create_one_tenant_make_one(
    gateway: RunningGateway, admin: httpx.Client, mlflow_server: ChildMLflow
) -> None:
    name = unused()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: admin.post(TENANTS, json={"name": name}), range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert in_mlflow(mlflow_server).count(name) == 1
    assert len(workspace_events(gateway, name)) == 1


def test_ten_keys_for_one_new_tenant_all_succeed(
    gateway: RunningGateway, admin: httpx.Client, mlflow_server: ChildMLflow
) -> None:
    name = unused()
    body = {"name": "n", "tenant": name}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: admin.post("/api/admin/keys", json=body), range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert in_mlflow(mlflow_server).count(name) == 1
    assert len(workspace_events(gateway, name)) == 1


def test_ten_first_requests_of_a_wallet_all_succeed(
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
    # One experiment, and every run in it.
    found = {one["experiment_id"] for a in answers[1::2] for one in a.json()["experiments"]}
    used = {answer.json()["run"]["info"]["experiment_id"] for answer in answers[::2]}
    assert used == found
    assert len(used) == 1
    assert in_mlflow(mlflow_server).count(wallet.tenant) == 1
    assert len(workspace_events(gateway, wallet.tenant)) == 1


def test_a_crowd_of_first_requests_takes_one_connection_to_the_database(
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


def test_a_tenant_is_made_while_mlflow_is_away_and_its_workspace_on_first_use(
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


def test_an_address_names_the_tenant_of_its_wallet(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    wallet = Wallet()
    made = good(admin.post(TENANTS, json={"name": wallet.address}), 201)
    assert made["name"] == wallet.tenant
    with gateway.client(**wallet.headers()) as client:
        assert good(client.get("/api/auth/whoami"))["tenant"] == wallet.tenant
    refused(admin.post(TENANTS, json={"name": wallet.tenant}), 409, "conflict")
