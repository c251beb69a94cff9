"""An admin disables a tenant: all of its credentials, at once and everywhere."""

import httpx
import pytest

from app.access.identity.credential_cache import CredentialCache
from tests.access.identity.conftest import Pair, wait_until_cached
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.tab import LINK, SIGN_IN, Tab
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
# On the fast path, for what is cached.
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
TENANTS = "/api/admin/tenants"


def change(admin: httpx.Client, tenant: str, *, disabled: bool) -> dict[str, object]:
    changed: dict[str, object] = good(
        admin.patch(f"{TENANTS}/{tenant}", json={"disabled": disabled})
    )
    return changed


def test_a_disabled_tenant_is_refused_everywhere(pair: Pair) -> None:
    one, other = pair
    wait_until_cached(*pair)
    key = one.key("acme")
    with (
        one.client(one.key(scopes=ALL_SCOPES)) as admin,
        one.client(key) as here,
        other.client(key) as there,
        Tab(other) as tab,
    ):
        session = tab.sign_in(key)["id"]
        for client in (here, there, tab):
            good(client.get(SEARCH))
        assert change(admin, "acme", disabled=True)["disabled_at"]
        # At once where it was done, and by a notification elsewhere.
        for path in (WHOAMI, SEARCH, "/models"):
            refused(here.get(path), 403, "tenant_disabled")
        wait_until(lambda: there.get(WHOAMI).status_code == 403)
        for path in (WHOAMI, SEARCH):
            refused(there.get(path), 403, "tenant_disabled")
        refused(there.post("/api/keys", json={"name": "n"}), 403, "tenant_disabled")
        wait_until(lambda: tab.get(WHOAMI).status_code == 401)
        refused(tab.get(WHOAMI), 401, "session_ended")
        refused(tab.post(SIGN_IN, json={"key": key}), 403, "tenant_disabled")
        change(admin, "acme", disabled=True)  # nothing more happens
        assert change(admin, "acme", disabled=False)["disabled_at"] is None
        good(here.get(SEARCH))
        wait_until(lambda: there.get(SEARCH).status_code == 200)
        refused(tab.get(WHOAMI), 401, "session_ended")
        tab.sign_in(key)
    rows = sql(
        one,
        "select action, subject, details->>'sessions' from audit_events where tenant = 'acme'"
        " and action like any(%s) order by id",
        ["tenant.%", "session.ended"],
    )
    assert rows == [
        ("tenant.created", "acme", None),
        ("session.ended", session, None),
        ("tenant.disabled", "acme", "1"),
        ("tenant.enabled", "acme", None),
    ]


def test_a_wallet_and_its_tokens_are_refused(gateway: RunningGateway, admin: httpx.Client) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        text = good(
            client.post(
                "/api/auth/message",
                json={"address": wallet.address},
                headers={"Origin": gateway.url},
            )
        )["message"]
        signed = {"message": text, "signature": wallet.sign(text)}
        good(client.get(SEARCH, headers=wallet.headers()))
        change(admin, wallet.address, disabled=True)  # in any casing
        for path in (WHOAMI, SEARCH):
            refused(client.get(path, headers=wallet.headers()), 403, "tenant_disabled")
            refused(client.get(path, headers=bearer), 403, "tenant_disabled")
        refused(
            client.post(SIGN_IN, json=signed, headers={"Origin": gateway.url}),
            403,
            "tenant_disabled",
        )
        # Its message was not consumed by the refusal.
        change(admin, wallet.address, disabled=False)
        good(client.post(SIGN_IN, json=signed, headers={"Origin": gateway.url}), 201)
        good(client.get(SEARCH, headers=bearer))


def test_a_wallet_is_refused_from_its_first_request_on(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    wallet = Wallet()
    change(admin, wallet.address, disabled=True)
    with gateway.client() as client:
        refused(client.get(SEARCH, headers=wallet.headers()), 403, "tenant_disabled")
        change(admin, wallet.address, disabled=False)
        good(client.get(SEARCH, headers=wallet.headers()))
    # Another name has to be a tenant's.
    body = {"disabled": True}
    refused(admin.patch("/api/admin/tenants/nobody", json=body), 404, "not_found")


def test_without_notifications_the_database_is_asked(
    gateway: RunningGateway, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a connection pooler, and while the connection is lost."""
    tenant = "not notified"
    key, wallet = gateway.key(tenant), Wallet()
    disabled = gateway.service(CredentialCache).disabled_tenants
    with gateway.client(key) as client:
        good(client.get(SEARCH))
        change(admin, tenant, disabled=True)
        monkeypatch.setattr(disabled, "is_current", False)
        monkeypatch.setattr(disabled, "_names", set())
        refused(client.get(SEARCH), 403, "tenant_disabled")
        change(admin, tenant, disabled=False)
        good(client.get(SEARCH))
    with gateway.client(**wallet.headers()) as client:
        good(client.get(SEARCH))


def test_nobody_locks_the_own_tenant_out(gateway: RunningGateway) -> None:
    tenant = "the admins"
    with gateway.client(gateway.key(tenant, scopes=ALL_SCOPES)) as admin:
        refused(admin.patch(f"{TENANTS}/{tenant}", json={"disabled": True}), 409, "conflict")
        good(admin.get(WHOAMI))
        refused(admin.patch(f"{TENANTS}/none", json={"disabled": True}), 404, "not_found")
        refused(admin.patch(f"{TENANTS}/{tenant}", json={}), 422, "validation_failed")


def test_it_is_for_admins(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key("a member")) as member:
        refused(member.patch(f"{TENANTS}/a member", json={"disabled": True}), 403, "scope_missing")


def test_a_public_page_is_shown_to_the_disabled_as_to_anybody(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    with Tab(gateway) as tab:
        tab.sign_in(gateway.key("shown out"))
        assert "shown out" in tab.get("/", headers=LINK).text
        change(admin, "shown out", disabled=True)
        page = tab.get("/", headers=LINK)
        assert page.status_code == 200
        assert "shown out" not in page.text
