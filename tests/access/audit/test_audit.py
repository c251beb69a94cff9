"""The audit log: one event for each act, never changed, and how it is read."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import psycopg2
import pytest

from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

AUDIT = "/api/admin/audit"


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
        yield client


def unused() -> str:
    return f"t-{secrets.token_hex(6)}"


def events(client: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    """The events that match, oldest first."""
    page = good(client.get(AUDIT, params={"limit": 1000, **wanted}))
    assert page["next"] is None
    return list(reversed(page["items"]))


def acts(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["action"], event["subject"]) for event in found]


def test_every_act_of_an_admin_has_one_event(admin: httpx.Client) -> None:
    tenant = unused()
    me = good(admin.get("/api/auth/whoami"))["principal"]
    good(admin.post("/api/admin/tenants", json={"name": tenant}), 201)
    body = {"name": "n", "tenant": tenant, "scopes": ["read"], "rate_limit": 5}
    key = good(admin.post("/api/admin/keys", json=body), 201)
    new = good(admin.post(f"/api/admin/keys/{key['id']}/rotate"), 201)
    ended = admin.delete(f"/api/admin/keys/{new['id']}", headers={"X-Request-ID": "the-last"})
    good(ended, 204)
    # Twice is no second act.
    good(admin.delete(f"/api/admin/keys/{new['id']}"), 204)
    found = events(admin, tenant=tenant)
    assert acts(found) == [
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


def test_a_key_for_a_new_tenant_is_two_acts(admin: httpx.Client) -> None:
    tenant = unused()
    key = good(admin.post("/api/admin/keys", json={"name": "n", "tenant": tenant}), 201)
    good(admin.post("/api/admin/keys", json={"name": "n", "tenant": tenant}), 201)
    found = acts(events(admin, tenant=tenant))
    assert found[:2] == [("tenant.created", tenant), ("key.created", key["id"])]
    assert [action for action, _ in found[2:]] == ["key.created"]


def test_every_act_of_a_wallet_has_one_event(gateway: RunningGateway, admin: httpx.Client) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        good(client.post("/api/auth/token", headers=wallet.headers()), 201)
        made = good(client.post("/api/keys", json={"name": "n"}, headers=wallet.headers()), 201)
        path = f"/api/keys/{made['id']}"
        new = good(client.post(f"{path}/rotate", headers=wallet.headers()), 201)
        good(client.delete(path, headers=wallet.headers()), 204)
        # What is refused is no act.
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


def test_a_revocation_that_takes_others_along_has_an_event_for_each(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    with gateway.client(gateway.key(tenant)) as client:
        parent = good(client.get("/api/auth/whoami"))["credential"]
        child = good(client.post("/api/keys", json={"name": "n"}), 201)["id"]
    good(admin.delete(f"/api/admin/keys/{parent}"), 204)
    found = acts(events(admin, tenant=tenant, action="key.revoked"))
    assert sorted(found) == sorted([("key.revoked", parent), ("key.revoked", child)])


def test_the_event_is_part_of_the_act(gateway: RunningGateway, admin: httpx.Client) -> None:
    """Where the event cannot be written, nothing else is either."""
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


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_events set actor = 'nobody'",
        "update audit_events set actor = 'nobody' where false",
        "delete from audit_events",
        "delete from audit_events where id = (select max(id) from audit_events)",
        "truncate audit_events",
        "insert into audit_events (id, at, actor, action, subject, details)"
        " values (1, now(), 'a', 'b', 'c', '{}')",
    ],
)
def test_the_database_keeps_every_event_as_it_was(
    gateway: RunningGateway, admin: httpx.Client, statement: str
) -> None:
    good(admin.post("/api/admin/tenants", json={"name": unused()}), 201)
    everything = "select id, at, actor, action, subject from audit_events order by id"
    before = sql(gateway, everything)
    with pytest.raises(psycopg2.Error):
        sql(gateway, statement)
    assert sql(gateway, everything)[: len(before)] == before
    assert before


def test_filters_hold_together(gateway: RunningGateway, admin: httpx.Client) -> None:
    tenant, other = unused(), unused()
    for name in (tenant, other):
        good(admin.post("/api/admin/keys", json={"name": "n", "tenant": name}), 201)
    me = good(admin.get("/api/auth/whoami"))["principal"]
    assert len(events(admin, tenant=tenant)) == 2
    assert acts(events(admin, tenant=tenant, action="tenant.created")) == [
        ("tenant.created", tenant)
    ]
    assert acts(events(admin, subject=other)) == [("tenant.created", other)]
    assert len(events(admin, actor=me, tenant=tenant)) == 2
    assert events(admin, actor="key:nobody", tenant=tenant) == []
    assert events(admin, subject=tenant, tenant=other) == []


def test_since_is_included_and_until_is_not(gateway: RunningGateway, admin: httpx.Client) -> None:
    tenant = unused()
    good(admin.post("/api/admin/keys", json={"name": "n", "tenant": tenant}), 201)
    first, last = events(admin, tenant=tenant)
    assert acts(events(admin, tenant=tenant, since=last["at"])) == acts([last])
    assert acts(events(admin, tenant=tenant, until=last["at"])) == acts([first])
    assert events(admin, tenant=tenant, since=last["at"], until=last["at"]) == []
    # A time in another zone is the same time.
    zone = timezone(timedelta(hours=5, minutes=45))
    elsewhere = datetime.fromisoformat(last["at"]).astimezone(zone).isoformat()
    assert acts(events(admin, tenant=tenant, since=elsewhere)) == acts([last])
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert events(admin, tenant=tenant, since=soon) == []


def test_events_are_read_in_pages_newest_first(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    for _ in range(6):
        gateway.key(tenant)
    whole = events(admin, tenant=tenant)
    assert len(whole) == 7
    read: list[dict[str, Any]] = []
    cursor = None
    while True:
        wanted: dict[str, Any] = {"tenant": tenant, "limit": 3}
        if cursor:
            wanted["cursor"] = cursor
        page = good(admin.get(AUDIT, params=wanted))
        read += page["items"]
        # What is written meanwhile does not move the pages.
        gateway.key(tenant)
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["items"]) == 3
    assert read == list(reversed(whole))


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"since": "yesterday"}, 422),
        ({"since": "2026-01-01T00:00:00"}, 422),  # of no zone
        ({"limit": 0}, 422),
        ({"limit": 1001}, 422),
        ({"unknown": "x"}, 422),
        ({"actor": ""}, 422),
        ({"actor": "control\x01"}, 422),
        ({"cursor": "?"}, 400),
        ({"cursor": "AAAA"}, 400),
        ({"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}, 400),
        ({"cursor": "LTE"}, 400),
        ({"cursor": "x" * 201}, 422),
    ],
)
def test_bad_filters_are_refused(
    admin: httpx.Client, wanted: dict[str, object], status: int
) -> None:
    answer = admin.get(AUDIT, params={name: str(value) for name, value in wanted.items()})
    assert answer.status_code == status, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
