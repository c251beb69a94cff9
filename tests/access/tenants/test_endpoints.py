"""An admin creates and lists tenants, with their MLflow workspaces."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.access.tenants.conftest import TENANTS, in_mlflow, listed, unused, workspace_events
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search"
CREATE_RUN = "/api/mlflow/api/2.0/mlflow/runs/create"


def test_a_tenant_gets_its_workspace(admin: httpx.Client, mlflow_server: ChildMLflow) -> None:
    name = unused()
    made = good(admin.post(TENANTS, json={"name": name}), 201)
    assert (made["name"], made["workspace"], made["ready"]) == (name, name, True)
    assert name in in_mlflow(mlflow_server)
    assert [tenant for tenant in listed(admin) if tenant["name"] == name] == [made]


def test_a_tenant_whose_name_mlflow_refuses_gets_a_workspace(
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
def test_an_invalid_name_is_refused(admin: httpx.Client, body: dict[str, object]) -> None:
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


def test_concurrent_requests_create_one_tenant(
    gateway: RunningGateway, admin: httpx.Client, mlflow_server: ChildMLflow
) -> None:
    name = unused()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: admin.post(TENANTS, json={"name": name}), range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert in_mlflow(mlflow_server).count(name) == 1
    assert len(workspace_events(gateway, name)) == 1


def test_concurrent_keys_for_one_new_tenant_all_succeed(
    gateway: RunningGateway, admin: httpx.Client, mlflow_server: ChildMLflow
) -> None:
    name = unused()
    body = {"name": "n", "tenant": name}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: admin.post("/api/admin/keys", json=body), range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert in_mlflow(mlflow_server).count(name) == 1
    assert len(workspace_events(gateway, name)) == 1


def test_an_admin_can_create_the_tenant_of_a_wallet(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    wallet = Wallet()
    made = good(admin.post(TENANTS, json={"name": wallet.address}), 201)
    assert made["name"] == wallet.tenant
    with gateway.client(**wallet.headers()) as client:
        assert good(client.get("/api/auth/whoami"))["tenant"] == wallet.tenant
    refused(admin.post(TENANTS, json={"name": wallet.tenant}), 409, "conflict")
