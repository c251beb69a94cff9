"""The audit log as CSV."""

import csv
import io
import json

import httpx
import pytest

from app.access.audit import csv_export
from tests.access.audit.reading import events, unused
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

CSV = "/api/admin/audit.csv"


def rows(client: httpx.Client, **query: str) -> list[dict[str, str]]:
    """The entries of the file."""
    response = client.get(CSV, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert response.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_the_file_has_the_entries_of_the_list(
    gateway: RunningGateway, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_export, "_PAGE", 2)
    tenant = unused()
    for name in ('a "quoted", name', "two\u2028lines", "third"):
        good(admin.post("/api/admin/keys", json={"name": name, "tenant": tenant}), 201)
    listed = events(admin, tenant=tenant)
    found = list(reversed(rows(admin, tenant=tenant)))
    assert len(found) == len(listed) == 4
    for row, event in zip(found, listed, strict=True):
        assert json.loads(row.pop("details")) == event.pop("details")
        assert row == {name: "" if value is None else str(value) for name, value in event.items()}
    assert rows(admin, tenant=tenant, action="tenant.created") == rows(admin, subject=tenant)
    assert rows(admin, tenant=unused()) == []


def test_a_spreadsheet_computes_nothing(gateway: RunningGateway, admin: httpx.Client) -> None:
    request_id = "=cmd|calc"
    headers = {"X-Request-ID": request_id}
    tenant = unused()
    made = admin.post("/api/admin/tenants", json={"name": tenant}, headers=headers)
    good(made, 201)
    (row,) = rows(admin, tenant=tenant)
    if made.headers["x-request-id"] == request_id:
        assert row["request_id"] == f"'{request_id}"
    for text in ("=1", "+1", "-1", "@x", "\t=1", "\r=1"):
        assert csv_export._cell(text) == f"'{text}"


def test_the_file_is_bounded(
    gateway: RunningGateway, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = unused()
    for _ in range(4):
        gateway.key(tenant)
    monkeypatch.setattr(csv_export, "MAX_ROWS", 3)
    monkeypatch.setattr(csv_export, "_PAGE", 2)
    newest = list(reversed(events(admin, tenant=tenant)))[:3]
    *listed, last = rows(admin, tenant=tenant)
    assert [row["id"] for row in listed] == [str(event["id"]) for event in newest]
    assert (last["id"], last["action"]) == ("", "export.cut")
    assert newest[-1]["at"] in last["details"]
    # Exactly as many as fit: nothing is missing.
    assert [row["action"] for row in rows(admin, tenant=tenant, action="key.created")] == [
        "key.created"
    ] * 3 + ["export.cut"]
    monkeypatch.setattr(csv_export, "MAX_ROWS", 4)
    whole = rows(admin, tenant=tenant, action="key.created")
    assert [row["action"] for row in whole] == ["key.created"] * 4


def test_it_is_for_admins(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as member, gateway.client() as nobody:
        refused(member.get(CSV), 403, "scope_missing")
        refused(nobody.get(CSV), 401, "credentials_missing")
