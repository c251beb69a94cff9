"""An admin changes the rate limit of a key."""

import httpx
import pytest

from app.core.request.principal import Scope
from tests.access.identity.conftest import Pair
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.waiting import wait_until

WHOAMI = "/api/auth/whoami"


def limit_of(client: httpx.Client) -> int:
    return int(good(client.get(WHOAMI))["rate_limit"])


def test_a_changed_limit_applies_on_every_gateway(pair: Pair) -> None:
    one, other = pair
    key = one.key()
    with (
        one.client(one.key(scopes=ALL_SCOPES)) as admin,
        one.client(key) as here,
        other.client(key) as there,
    ):
        me = good(here.get(WHOAMI))
        assert limit_of(there) == 1_000_000
        path = f"/api/admin/keys/{me['credential']}"
        changed = good(admin.patch(path, json={"rate_limit": 7}))
        assert (changed["id"], changed["rate_limit"]) == (me["credential"], 7)
        for client in (here, there):
            wait_until(lambda client=client: limit_of(client) == 7)  # type: ignore[misc]
        assert here.get(WHOAMI).headers["RateLimit-Limit"] == "7"
        assert good(admin.patch(path, json={"rate_limit": None}))["rate_limit"] is None
        wait_until(lambda: limit_of(there) == 1_000_000)
        events = good(admin.get("/api/admin/audit", params={"subject": me["credential"]}))["items"]
    found = [one["details"] for one in events if one["action"] == "key.limit_changed"]
    assert found == [{"rate_limit": None, "before": 7}, {"rate_limit": 7, "before": None}]


def test_keys_created_with_a_key_get_a_lower_limit_too(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    with gateway.client(gateway.key(rate_limit=1000)) as client:
        own = good(client.get(WHOAMI))["credential"]
        made = [
            good(client.post("/api/keys", json={"name": "n", "rate_limit": limit}), 201)
            for limit in (10, 500)
        ]
        with gateway.client(made[1]["key"]) as mine:
            grandchild = good(mine.post("/api/keys", json={"name": "n"}), 201)
        good(admin.patch(f"/api/admin/keys/{own}", json={"rate_limit": 100}))
        limits = {key["id"]: key["rate_limit"] for key in good(client.get("/api/keys"))["items"]}
    assert limits == {own: 100, made[0]["id"]: 10, made[1]["id"]: 100, grandchild["id"]: 100}


@pytest.mark.parametrize("body", [{}, {"rate_limit": 0}, {"rate_limit": "many"}, {"scopes": []}])
def test_an_invalid_change_is_refused(
    gateway: RunningGateway, admin: httpx.Client, body: dict[str, object]
) -> None:
    with gateway.client(gateway.key(rate_limit=5)) as client:
        own = good(client.get(WHOAMI))["credential"]
        refused(admin.patch(f"/api/admin/keys/{own}", json=body), 422, "validation_failed")
        assert limit_of(client) == 5


def test_only_an_admin_changes_a_limit(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(scopes=[Scope.READ])) as client:
        own = good(client.get(WHOAMI))["credential"]
        answer = client.patch(f"/api/admin/keys/{own}", json={"rate_limit": 1_000_000})
        refused(answer, 403, "scope_missing")
