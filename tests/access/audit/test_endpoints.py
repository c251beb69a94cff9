"""Reading the audit log: filters and pages."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from tests.access.audit.reading import AUDIT, changes, events, unused
from tests.support.gateway import RunningGateway
from tests.support.responses import good


def test_filters_are_combined(gateway: RunningGateway, admin: httpx.Client) -> None:
    tenant, other = unused(), unused()
    for name in (tenant, other):
        good(admin.post("/api/admin/keys", json={"name": "n", "tenant": name}), 201)
    me = good(admin.get("/api/auth/whoami"))["principal"]
    assert len(events(admin, tenant=tenant)) == 2
    assert changes(events(admin, tenant=tenant, action="tenant.created")) == [
        ("tenant.created", tenant)
    ]
    assert changes(events(admin, subject=other)) == [("tenant.created", other)]
    assert len(events(admin, actor=me, tenant=tenant)) == 2
    assert events(admin, actor="key:nobody", tenant=tenant) == []
    assert events(admin, subject=tenant, tenant=other) == []


def test_since_is_included_and_until_is_not(gateway: RunningGateway, admin: httpx.Client) -> None:
    tenant = unused()
    good(admin.post("/api/admin/keys", json={"name": "n", "tenant": tenant}), 201)
    first, last = events(admin, tenant=tenant)
    assert changes(events(admin, tenant=tenant, since=last["at"])) == changes([last])
    assert changes(events(admin, tenant=tenant, until=last["at"])) == changes([first])
    assert events(admin, tenant=tenant, since=last["at"], until=last["at"]) == []
    # The same time, written in another time zone.
    zone = timezone(timedelta(hours=5, minutes=45))
    elsewhere = datetime.fromisoformat(last["at"]).astimezone(zone).isoformat()
    assert changes(events(admin, tenant=tenant, since=elsewhere)) == changes([last])
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert events(admin, tenant=tenant, since=soon) == []


def test_entries_are_listed_in_pages_newest_first(
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
        query: dict[str, Any] = {"tenant": tenant, "limit": 3}
        if cursor:
            query["cursor"] = cursor
        page = good(admin.get(AUDIT, params=query))
        read += page["items"]
        # Entries that are added in the meantime do not move the pages.
        gateway.key(tenant)
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["items"]) == 3
    assert read == list(reversed(whole))


@pytest.mark.parametrize(
    ("query", "status"),
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
def test_invalid_filters_are_refused(
    admin: httpx.Client, query: dict[str, object], status: int
) -> None:
    answer = admin.get(AUDIT, params={name: str(value) for name, value in query.items()})
    assert answer.status_code == status, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
