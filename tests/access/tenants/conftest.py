"""What the tests of tenants share: an admin, and lists of tenants and workspaces."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good
from tests.support.sql import sql

TENANTS = "/api/admin/tenants"


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
        yield client


def unused() -> str:
    return f"t-{secrets.token_hex(6)}"


def in_mlflow(server: ChildMLflow) -> list[str]:
    """The names of the workspaces in MLflow."""
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
