"""The endpoints that show the caller's limits, and that change a tenant's quotas."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.access.quotas.models import QuotaKind
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.redis import free_port
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

QUOTAS = {
    "keys": 20,
    "tokens": 5,
    "models": 6,
    "contributions": 7,
    "attestations": 8,
    "approvals": 9,
    "benchmarks": 10,
    "predictions": 11,
}


@pytest.fixture(scope="module")
def small(new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    """A gateway with small quotas and no MLflow."""
    settings = {f"{kind.removesuffix('s')}_quota": quota for kind, quota in QUOTAS.items()}
    nowhere = f"http://127.0.0.1:{free_port()}"
    with RunningGateway(new_database(), nowhere, rate_window=3600, **settings) as running:
        yield running


@pytest.fixture
def admin(small: RunningGateway) -> Iterator[httpx.Client]:
    with small.client(small.key(scopes=ALL_SCOPES)) as client:
        yield client


def by_kind(document: Any) -> dict[str, tuple[int, int, bool]]:
    return {
        one["kind"]: (one["used"], one["quota"], one["is_default"]) for one in document["quotas"]
    }


def test_limits_shows_the_callers_limit_and_its_tenants_quotas(small: RunningGateway) -> None:
    with small.client(small.key(rate_limit=7)) as client:
        answer = client.get("/api/limits")
    shown = good(answer)
    assert {name: shown[name] for name in ("limit", "remaining", "window")} == {
        "limit": 7,
        "remaining": 6,
        "window": 3600,
    }
    assert {name: answer.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining")} == {
        "Limit": "7",
        "Remaining": "6",
    }
    assert str(shown["reset"]) == answer.headers["RateLimit-Reset"]
    assert (shown["address_limit"], shown["creation_limit"]) == (None, None)
    assert shown["session_limit"] == small.settings.session_rate_limit
    assert by_kind(shown) == {
        kind: (int(kind == "keys"), quota, True) for kind, quota in QUOTAS.items()
    }
    assert set(QUOTAS) == set(QuotaKind)


def test_limits_shows_a_wallet_what_its_address_may_do(small: RunningGateway) -> None:
    with small.client(**Wallet().headers()) as client:
        shown = good(client.get("/api/limits"))
    assert shown["address_limit"] == small.settings.wallet_address_limit
    assert shown["creation_limit"] == small.settings.creation_limit
    assert by_kind(shown) == {kind: (0, quota, True) for kind, quota in QUOTAS.items()}


def test_an_admin_changes_quotas_of_every_kind(small: RunningGateway, admin: httpx.Client) -> None:
    tenant = f"t-{secrets.token_hex(6)}"
    with small.client(small.key(tenant)) as client:
        path = f"/api/admin/tenants/{tenant}/quotas"
        good(admin.patch(path, json=dict.fromkeys(QuotaKind, 3)))
        shown = by_kind(good(client.get("/api/limits")))
    assert {kind: (quota, is_default) for kind, (_, quota, is_default) in shown.items()} == (
        dict.fromkeys(QuotaKind, (3, False))
    )


def test_an_admin_changes_quotas(small: RunningGateway, admin: httpx.Client) -> None:
    tenant = f"t-{secrets.token_hex(6)}"
    with small.client(small.key(tenant)) as client:
        path = f"/api/admin/tenants/{tenant}/quotas"
        changed = good(admin.patch(path, json={"keys": 2, "models": 1000}))
        assert changed["tenant"] == tenant
        assert by_kind(changed)["models"] == (0, 1000, False)
        assert by_kind(good(client.get("/api/limits"))) == by_kind(good(admin.get(path)))
        good(client.post("/api/keys", json={"name": "second"}), 201)
        answer = client.post("/api/keys", json={"name": "third"})
        problem = refused(answer, 403, "quota_exceeded")
        assert (problem["quota"], problem["limit"], problem["used"]) == ("keys", 2, 2)
        assert "An admin can raise its quota of keys" in problem["message"]
        # Back to the default, which allows it.
        good(admin.patch(path, json={"keys": None}))
        good(client.post("/api/keys", json={"name": "third"}), 201)
        assert by_kind(good(admin.get(path)))["keys"] == (3, QUOTAS["keys"], True)
    events = good(admin.get("/api/admin/audit", params={"subject": tenant}))["items"]
    found = [one["details"] for one in events if one["action"] == "tenant.quotas_changed"]
    assert found[1] == {
        "quotas": {"keys": 2, "models": 1000},
        "before": {"keys": QUOTAS["keys"], "models": QUOTAS["models"]},
    }


@pytest.mark.parametrize(
    "body", [{}, {"keys": -1}, {"keys": "many"}, {"runs": 5}, {"keys": 2**60}, []]
)
def test_an_invalid_change_is_refused(admin: httpx.Client, body: object) -> None:
    tenant = good(admin.get("/api/auth/whoami"))["tenant"]
    path = f"/api/admin/tenants/{tenant}/quotas"
    refused(admin.patch(path, json=body), 422, "validation_failed")
    assert all(is_default for _, _, is_default in by_kind(good(admin.get(path))).values())


def test_only_admins_see_and_change_quotas_of_tenants_that_exist(
    small: RunningGateway, admin: httpx.Client
) -> None:
    path = "/api/admin/tenants/nobody/quotas"
    refused(admin.get(path), 404, "not_found")
    refused(admin.patch(path, json={"keys": 1}), 404, "not_found")
    with small.client(small.key("member")) as member:
        own = "/api/admin/tenants/member/quotas"
        refused(member.get(own), 403, "scope_missing")
        refused(member.patch(own, json={"keys": 1000}), 403, "scope_missing")
