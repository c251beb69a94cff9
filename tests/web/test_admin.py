"""The pages for admins: what they show and do is what the API does, and nobody else's."""

import html
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from tests.access.audit.reading import changes, events, unused
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.tab import OWN, Tab

WHOAMI = "/api/auth/whoami"
PAGE = {"Accept": "text/html"}
FORM = {**OWN, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **PAGE}
PATHS = ("/admin/keys", "/admin/tenants", "/admin/audit")


@pytest.fixture(scope="module")
def admin_key(gateway: RunningGateway) -> str:
    return gateway.key(scopes=ALL_SCOPES)


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway, admin_key: str) -> Iterator[httpx.Client]:
    with gateway.client(admin_key) as client:
        yield client


@pytest.fixture
def tab(gateway: RunningGateway, admin_key: str) -> Iterator[Tab]:
    """A browser whose session acts as an admin."""
    with Tab(gateway) as opened:
        opened.sign_in(admin_key)
        good(opened.post("/api/auth/sessions/current/admin", json={"key": admin_key}))
        yield opened


def text(response: httpx.Response, status: int = 200) -> str:
    """What is written on a page; fails unless it has this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    return html.unescape(response.text)


def send(tab: Tab, path: str, **fields: str) -> httpx.Response:
    """Send a form that the session of the tab was shown."""
    session = good(tab.get(WHOAMI))["session"]
    return tab.post(path, headers=FORM, data={"session": session, **fields})


def secret_on(response: httpx.Response) -> str:
    (found,) = set(re.findall(r"hk_live_\w+", text(response, 201)))
    return str(found)


def test_without_the_scope_a_page_says_where_acting_as_an_admin_starts(
    gateway: RunningGateway, admin_key: str
) -> None:
    with Tab(gateway) as signed_in:
        signed_in.sign_in(admin_key)
        for path in PATHS:
            page = text(signed_in.get(path, headers=FORM), 403)
            assert "needs the scope admin" in page
            assert f'href="/account?{urlencode({"next": path})}#admin"' in page
        refused_form = send(signed_in, "/admin/keys", name="n", tenant=unused())
        assert "needs the scope admin" in text(refused_form, 403)
        assert 'href="/admin/keys"' not in text(signed_in.get("/", headers=FORM))
    with gateway.client() as nobody:
        for path in PATHS:
            assert nobody.get(path, headers=PAGE).headers["location"].startswith("/login?next=")


def test_acting_as_an_admin_leads_back_to_where_it_was_needed(
    gateway: RunningGateway, admin_key: str
) -> None:
    with Tab(gateway) as tab:
        tab.sign_in(admin_key)
        for following, target in (("/admin/tenants", "/admin/tenants"), ("//evil.example", "/")):
            account = tab.get("/account", headers=FORM, params={"next": following}).text
            assert f'name="next" value="{target}"' in account
            sent = send(tab, "/account/admin", key=admin_key, next=following)
            assert (sent.status_code, sent.headers["location"]) == (303, target)
            send(tab, "/account/admin/end")
        assert send(tab, "/account/admin", key=admin_key).headers["location"] == "/account#admin"


def test_a_key_is_made_shown_once_limited_rotated_and_revoked(
    gateway: RunningGateway, tab: Tab, admin: httpx.Client
) -> None:
    tenant = unused()
    asked = {"name": "<b>ci</b>", "tenant": tenant, "days": "7", "networks": "127.0.0.0/8, ::1"}
    made = secret_on(send(tab, "/admin/keys", **asked, **{"scope-read": "on"}))
    with gateway.client(made) as client:
        me = good(client.get(WHOAMI))
    assert (me["tenant"], me["scopes"]) == (tenant, ["read"])
    listed = tab.get(f"/admin/keys?tenant={tenant}", headers=FORM)
    assert "<b>ci</b>" not in listed.text
    assert "<b>ci</b>" in text(listed)
    assert made not in listed.text
    path = f"/admin/keys/{me['credential']}"
    page = text(tab.get(path, headers=FORM))
    for word in ("127.0.0.0/8, ::1/128", me["principal"], f"{made[:8]}..."):
        assert word in page
    changed = send(tab, f"{path}/limit", rate_limit="7")
    assert (changed.status_code, changed.headers["location"]) == (303, path)
    assert "7 requests a minute" in text(tab.get(path, headers=FORM))
    send(tab, f"{path}/limit", rate_limit="")
    assert "the default" in text(tab.get(path, headers=FORM))
    rotated = secret_on(send(tab, f"{path}/rotate", overlap="0"))
    with gateway.client(made) as old, gateway.client(rotated) as new:
        refused(old.get(WHOAMI), 401, "key_rotated")
        successor = good(new.get(WHOAMI))["credential"]
        assert f"/admin/keys/{successor}" in text(tab.get(path, headers=FORM))
        ended = send(tab, f"/admin/keys/{successor}/revoke", rotation_chain="on")
        assert ended.headers["location"] == f"/admin/keys/{successor}"
        refused(new.get(WHOAMI), 401, "key_revoked")
    found = events(admin, tenant=tenant)
    assert [action for action, _ in changes(found)][:4] == [
        "tenant.created",
        "key.created",
        "key.limit_changed",
        "key.limit_changed",
    ]
    assert changes(found)[4] == ("key.rotated", me["credential"])
    assert ("key.revoked", successor) in changes(found)
    assert {one["actor"] for one in found} == {good(admin.get(WHOAMI))["principal"]}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "", "scope-read": "on"}, "name"),
        ({"name": "n"}, "scopes"),
        ({"name": "n", "scope-read": "on", "days": "x"}, "expires_in_days"),
        ({"name": "n", "scope-read": "on", "rate_limit": "0"}, "rate_limit"),
        ({"name": "n", "scope-read": "on", "networks": "here"}, "allowed_networks"),
        ({"name": "n", "scope-read": "on", "tenant": " /"}, "tenant"),
    ],
)
def test_a_form_that_is_wrong_is_explained_and_does_nothing(
    tab: Tab, admin: httpx.Client, fields: dict[str, str], word: str
) -> None:
    tenant = unused()
    assert word in text(send(tab, "/admin/keys", **{"tenant": tenant, **fields}), 422)
    assert events(admin, tenant=tenant) == []


def test_the_forms_of_other_sites_and_sessions_are_refused(
    gateway: RunningGateway, tab: Tab, admin_key: str, admin: httpx.Client
) -> None:
    tenant = unused()
    fields = {"name": "n", "tenant": tenant, "scope-read": "on"}
    session = good(tab.get(WHOAMI))["session"]
    foreign = {**FORM, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    refused_form = tab.post("/admin/keys", headers=foreign, data={"session": session, **fields})
    assert "other_origin" in text(refused_form, 403)
    with Tab(gateway) as other:
        other.sign_in(admin_key)
        good(other.post("/api/auth/sessions/current/admin", json={"key": admin_key}))
        for data in ({"session": session, **fields}, fields):
            changed = other.post("/admin/keys", headers=FORM, data=data)
            assert "session_changed" in text(changed, 409)
    assert events(admin, tenant=tenant) == []


def test_keys_are_listed_as_the_api_lists_them(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    for _ in range(3):
        gateway.key(tenant)
    keys = good(admin.get("/api/admin/keys", params={"tenant": tenant}))["items"]
    read = []
    path = f"/admin/keys?tenant={tenant}&limit=2"
    while path:
        page = admin.get(path, headers=PAGE).text
        read += re.findall(r'href="/admin/keys/(\w+)"', page)
        following = re.findall(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(following[0]) if following else ""
    assert read == [key["id"] for key in keys]
    assert "There is no key with this id" in text(admin.get("/admin/keys/none", headers=PAGE), 404)


def test_a_tenant_is_made_and_its_quotas_changed(tab: Tab, admin: httpx.Client) -> None:
    name = f"{unused()} & co"[:30].replace("&", ".")
    made = send(tab, "/admin/tenants", name=name)
    assert made.status_code == 303
    path = made.headers["location"]
    assert name in text(tab.get(path, headers=FORM))
    assert "already exists" in text(send(tab, "/admin/tenants", name=name), 409)
    assert send(tab, f"{path}/quotas", models="12", keys="").headers["location"] == path
    quotas = good(admin.get(f"/api{path}/quotas"))["quotas"]
    by_kind = {one["kind"]: one for one in quotas}
    assert (by_kind["models"]["quota"], by_kind["models"]["is_default"]) == (12, False)
    assert by_kind["keys"]["is_default"]
    assert 'name="models" inputmode="numeric" value="12"' in text(tab.get(path, headers=FORM))
    assert "models" in text(send(tab, f"{path}/quotas", models="-1"), 422)
    # Another admin has changed what the form still shows.
    good(admin.patch(f"/api{path}/quotas", json={"keys": 7}))
    send(
        tab, f"{path}/quotas", **{"models": "", "shown-models": "12", "keys": "", "shown-keys": ""}
    )
    quotas = good(admin.get(f"/api{path}/quotas"))["quotas"]
    by_kind = {one["kind"]: one for one in quotas}
    assert (by_kind["models"]["is_default"], by_kind["keys"]["quota"]) == (True, 7)
    send(tab, f"{path}/quotas", **{"keys": "7", "shown-keys": "7"})
    assert [action for action, _ in changes(events(admin, tenant=name))] == [
        "tenant.created",
        "tenant.quotas_changed",
        "tenant.quotas_changed",
        "tenant.quotas_changed",
    ]
    assert "There is no tenant" in text(tab.get("/admin/tenants/none", headers=FORM), 404)


def test_a_tenant_is_disabled_and_enabled(gateway: RunningGateway, tab: Tab) -> None:
    tenant = unused()
    key = gateway.key(tenant)
    path = f"/admin/tenants/{tenant}"
    with gateway.client(key) as client:
        assert f"Disable {tenant}" in text(tab.get(path, headers=FORM))
        assert send(tab, f"{path}/disable").headers["location"] == path
        refused(client.get(WHOAMI), 403, "tenant_disabled")
        page = text(tab.get(path, headers=FORM))
        assert "This tenant was disabled" in page
        assert "<b>disabled</b>" in tab.get("/admin/tenants?limit=200", headers=FORM).text
        assert send(tab, f"{path}/enable").headers["location"] == path
        good(client.get(WHOAMI))
    own = good(tab.get(WHOAMI))["tenant"]
    assert "the tenant of your own key" in text(tab.get(f"/admin/tenants/{own}", headers=FORM))
    assert "tenant of your own" in text(send(tab, f"/admin/tenants/{own}/disable"), 409)


def test_the_audit_log_is_filtered_as_the_api_filters_it(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    body = {"name": "<i>n</i>", "tenant": tenant}
    key = good(admin.post("/api/admin/keys", json=body), 201)["id"]
    page = admin.get(f"/admin/audit?tenant={tenant}&actor=&since=2026-01-01", headers=PAGE)
    assert "<i>" not in page.text
    says = text(page)
    assert says.count("<tr><td><time") == 2
    assert "key.created" in says
    assert says.count("<tr><td><time", says.index("</thead>")) == 2
    assert f'href="/api/admin/audit.csv?tenant={tenant}&since=2026-01-01T00%3A00%3A00Z"' in says
    assert says.count("key.created") == 1
    none = text(admin.get(f"/admin/audit?tenant={tenant}&until=2020-01-01", headers=PAGE))
    assert "No entry meets these conditions" in none
    only = text(admin.get(f"/admin/audit?subject={key}", headers=PAGE))
    assert only.count("<tr><td><time") == 1
    assert "since" in text(admin.get("/admin/audit?since=yesterday", headers=PAGE), 422)
