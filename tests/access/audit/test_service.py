"""Every change writes one entry of the audit log, in its own transaction."""

from datetime import datetime

import httpx

from tests.access.audit.reading import changes, events, unused
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet


def test_every_change_of_an_admin_writes_one_entry(admin: httpx.Client) -> None:
    tenant = unused()
    me = good(admin.get("/api/auth/whoami"))["principal"]
    good(admin.post("/api/admin/tenants", json={"name": tenant}), 201)
    body = {"name": "n", "tenant": tenant, "scopes": ["read"], "rate_limit": 5}
    key = good(admin.post("/api/admin/keys", json=body), 201)
    new = good(admin.post(f"/api/admin/keys/{key['id']}/rotate"), 201)
    ended = admin.delete(f"/api/admin/keys/{new['id']}", headers={"X-Request-ID": "the-last"})
    good(ended, 204)
    # Revoking it again is not a change.
    good(admin.delete(f"/api/admin/keys/{new['id']}"), 204)
    found = events(admin, tenant=tenant)
    assert changes(found) == [
        ("tenant.created", tenant),
        ("key.created", key["id"]),
        ("key.rotated", key["id"]),
        ("key.revoked", new["id"]),
    ]
    assert {event["actor"] for event in found} == {me}
    assert {event["client"] for event in found} == {"127.0.0.1"}
    assert found[3]["request_id"] == "the-last"
    assert found[1]["details"]["name"] == "n"
    assert found[1]["details"]["scopes"] == ["read"]
    assert found[1]["details"]["rate_limit"] == 5
    assert found[2]["details"] == {"successor": new["id"]}
    times = [datetime.fromisoformat(event["at"]) for event in found]
    assert times == sorted(times)


def test_a_key_for_a_new_tenant_writes_two_entries(admin: httpx.Client) -> None:
    tenant = unused()
    key = good(admin.post("/api/admin/keys", json={"name": "n", "tenant": tenant}), 201)
    good(admin.post("/api/admin/keys", json={"name": "n", "tenant": tenant}), 201)
    found = changes(events(admin, tenant=tenant))
    assert found[:2] == [("tenant.created", tenant), ("key.created", key["id"])]
    assert [action for action, _ in found[2:]] == ["key.created"]


def test_every_change_of_a_wallet_writes_one_entry(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        good(client.post("/api/auth/token", headers=wallet.headers()), 201)
        made = good(client.post("/api/keys", json={"name": "n"}, headers=wallet.headers()), 201)
        path = f"/api/keys/{made['id']}"
        new = good(client.post(f"{path}/rotate", headers=wallet.headers()), 201)
        good(client.delete(path, headers=wallet.headers()), 204)
        # A refused request is not a change.
        body = {"name": "n", "scopes": ["admin"]}
        refused(
            client.post("/api/keys", json=body, headers=wallet.headers()), 403, "permission_denied"
        )
        refused(client.post(f"{path}/rotate", headers=wallet.headers()), 409, "conflict")
    found = events(admin, tenant=wallet.tenant)
    assert [event["action"] for event in found] == [
        "tenant.created",
        "token.issued",
        "key.created",
        "key.rotated",
        "key.revoked",
    ]
    assert {event["actor"] for event in found} == {wallet.principal}
    assert [event["subject"] for event in found[2:]] == [made["id"]] * 3
    assert found[3]["details"]["successor"] == new["id"]


def test_a_revocation_writes_an_entry_for_each_revoked_key(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    with gateway.client(gateway.key(tenant)) as client:
        parent = good(client.get("/api/auth/whoami"))["credential"]
        child = good(client.post("/api/keys", json={"name": "n"}), 201)["id"]
    good(admin.delete(f"/api/admin/keys/{parent}"), 204)
    found = changes(events(admin, tenant=tenant, action="key.revoked"))
    assert sorted(found) == sorted([("key.revoked", parent), ("key.revoked", child)])


def test_a_change_without_its_entry_is_rolled_back(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    sql(
        gateway,
        "create function refuse_insert() returns trigger language plpgsql as"
        " $$ begin if new.tenant = tg_argv[0] then raise 'no'; end if; return new; end $$",
    )
    sql(
        gateway,
        "create trigger no_insert before insert on audit_events for each row"
        f" execute function refuse_insert('{tenant}')",
    )
    try:
        body = {"name": "n", "tenant": tenant}
        refused(admin.post("/api/admin/keys", json=body), 500, "internal_error")
        refused(admin.post("/api/admin/tenants", json={"name": tenant}), 500, "internal_error")
    finally:
        sql(gateway, "drop trigger no_insert on audit_events")
        sql(gateway, "drop function refuse_insert()")
    assert sql(gateway, "select 1 from tenants where name = %s", tenant) == []
    assert sql(gateway, "select 1 from api_keys where tenant = %s", tenant) == []
