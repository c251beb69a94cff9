"""An admin issues, lists, rotates and revokes keys."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.access.identity.key_format import is_well_formed
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql

WHOAMI = "/api/auth/whoami"


def unused(prefix: str = "t") -> str:
    return f"{prefix}-{secrets.token_hex(6)}"


def create(client: httpx.Client, **asked: Any) -> Any:
    asked = {"name": "a key", "tenant": unused(), **asked}
    return good(client.post("/api/admin/keys", json=asked), 201)


def pages(client: httpx.Client, path: str, **params: Any) -> list[list[Any]]:
    """All pages of a list."""
    found = []
    cursor = None
    while True:
        page = good(client.get(path, params={**params, **({"cursor": cursor} if cursor else {})}))
        found.append(page["items"])
        cursor = page["next"]
        if cursor is None:
            return found


def test_a_key_is_issued_with_defaults_for_a_new_tenant(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    tenant = unused()
    made = create(admin, tenant=tenant, name="training cluster")
    assert is_well_formed(made["key"])
    assert made["key"].startswith("hk_live_")
    assert made["scopes"] == ["read", "write", "register", "attest"]
    assert (made["name"], made["tenant"], made["state"]) == ("training cluster", tenant, "active")
    assert (made["rate_limit"], made["allowed_networks"]) == (None, [])
    assert (made["parent"], made["successor"], made["revoked_at"]) == (None, None, None)
    assert made["created_by"] == good(admin.get(WHOAMI))["principal"]
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < lifetime <= timedelta(days=90)
    with gateway.client(made["key"]) as client:
        me = good(client.get(WHOAMI))
    assert (me["principal"], me["credential"], me["tenant"]) == (
        f"key:{made['id']}",
        made["id"],
        tenant,
    )
    assert [one["tenant"] for one in pages(admin, "/api/admin/keys", tenant=tenant)[0]] == [tenant]


def test_a_key_is_issued_with_the_requested_values(admin: httpx.Client) -> None:
    made = create(
        admin,
        scopes=["attest", "read"],
        rate_limit=3,
        expires_in_days=None,
        allowed_networks=["203.0.113.7/24", "2001:db8::/32"],
    )
    assert made["scopes"] == ["read", "attest"]
    assert (made["rate_limit"], made["expires_at"]) == (3, None)
    assert made["allowed_networks"] == ["203.0.113.0/24", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "control\x01"}, "name"),
        ({"name": 5}, "name"),
        ({"tenant": None}, "tenant"),
        ({"tenant": "ends with space "}, "tenant"),
        ({"tenant": "-begins"}, "tenant"),
        ({"tenant": "x" * 64}, "tenant"),
        ({"tenant": "é"}, "tenant"),
        ({"tenant": "control\x01"}, "tenant"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"scopes": None}, "scopes"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": 1_000_001}, "rate_limit"),
        ({"rate_limit": "many"}, "rate_limit"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 3651}, "expires_in_days"),
        ({"allowed_networks": ["10.0.0.0/33"]}, "allowed_networks"),
        ({"allowed_networks": ["control\x01"]}, "allowed_networks"),
        ({"allowed_networks": ["10.0.0.0/8"] * 101}, "allowed_networks"),
        ({"scope": ["read"]}, "scope"),
    ],
)
def test_an_invalid_request_is_refused_before_anything_is_written(
    gateway: RunningGateway, admin: httpx.Client, body: dict[str, Any], where: str
) -> None:
    def counts() -> list[tuple[Any, ...]]:
        return sql(
            gateway,
            "select (select count(*) from api_keys), (select count(*) from tenants),"
            " (select count(*) from audit_events)",
        )

    asked = {"name": "n", "tenant": unused(), **body} if body else {"tenant": unused()}
    before = counts()
    problem = refused(admin.post("/api/admin/keys", json=asked), 422, "validation_failed")
    assert where in problem["message"]
    assert problem["error_code"] == "INVALID_PARAMETER_VALUE"
    assert counts() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff"])
def test_a_body_that_is_not_an_object_is_refused(admin: httpx.Client, body: bytes) -> None:
    answer = admin.post(
        "/api/admin/keys", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["reason"] in ("invalid_parameter", "validation_failed")


def test_a_key_is_shown_once(gateway: RunningGateway, admin: httpx.Client) -> None:
    made = create(admin)
    (shown,) = pages(admin, "/api/admin/keys", tenant=made["tenant"])[0]
    secret = made.pop("key")
    assert shown == made
    assert shown["hint"] == f"hk_live_...{secret[-11:-7]}"
    with gateway.client(secret) as client:
        good(client.get(WHOAMI))
        assert secret not in client.get("/api/keys").text
    assert secret not in admin.get("/api/admin/audit", params={"subject": made["id"]}).text
    # It is in no column of the database either.
    rows = sql(gateway, "select api_keys::text from api_keys where id = %s", made["id"])
    assert secret[8:51] not in str(rows)


def test_keys_are_listed_by_tenant_and_principal_in_pages(admin: httpx.Client) -> None:
    tenant = unused()
    made = {create(admin, tenant=tenant)["id"] for _ in range(5)}
    found = pages(admin, "/api/admin/keys", tenant=tenant, limit=2)
    assert [len(page) for page in found] == [2, 2, 1]
    assert {key["id"] for page in found for key in page} == made
    (one,) = pages(admin, "/api/admin/keys", principal=f"key:{min(made)}")[0]
    assert one["id"] == min(made)
    assert pages(admin, "/api/admin/keys", tenant=unused()) == [[]]
    # A last page that is full has no cursor.
    assert len(pages(admin, "/api/admin/keys", tenant=tenant, limit=5)) == 1


@pytest.mark.parametrize("limit", [0, -1, 1001, "all"])
def test_the_size_of_a_page_is_bounded(admin: httpx.Client, limit: object) -> None:
    answer = admin.get("/api/admin/keys", params={"limit": str(limit)})
    refused(answer, 422, "validation_failed")


def test_a_rotated_key_keeps_working_for_the_overlap(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    old = create(admin, scopes=["read"], rate_limit=9, allowed_networks=["127.0.0.0/8"])
    new = good(admin.post(f"/api/admin/keys/{old['id']}/rotate"), 201)
    assert new["key"] != old["key"]
    for same in ("principal", "tenant", "name", "scopes", "rate_limit", "allowed_networks"):
        assert new[same] == old[same]
    for key in (old, new):
        with gateway.client(key["key"]) as client:
            me = good(client.get(WHOAMI))
            assert (me["principal"], me["credential"]) == (old["principal"], key["id"])
    listed = {key["id"]: key for key in pages(admin, "/api/admin/keys", tenant=old["tenant"])[0]}
    assert listed[old["id"]]["successor"] == new["id"]
    overlap = datetime.fromisoformat(listed[old["id"]]["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < overlap <= timedelta(days=1)
    assert listed[old["id"]]["state"] == "active"


def test_an_overlap_of_zero_expires_the_old_key_at_once(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    old = create(admin)
    with gateway.client(old["key"]) as client:
        good(client.get(WHOAMI))  # the key is in the cache now
        rotated = admin.post(f"/api/admin/keys/{old['id']}/rotate", json={"overlap_seconds": 0})
        new = good(rotated, 201)
        gone = client.get(WHOAMI)
        # The gateway may be notified after the response.
        while gone.status_code == 200:
            gone = client.get(WHOAMI)
        refused(gone, 401, "key_rotated")
    with gateway.client(new["key"]) as client:
        good(client.get(WHOAMI))


def test_the_overlap_does_not_extend_the_old_key(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    old = create(admin, expires_in_days=1)
    good(
        admin.post(f"/api/admin/keys/{old['id']}/rotate", json={"overlap_seconds": 30 * 86400}), 201
    )
    ((end,),) = sql(gateway, "select expires_at from api_keys where id = %s", old["id"])
    assert end == datetime.fromisoformat(old["expires_at"])


def test_a_rotated_revoked_or_expired_key_cannot_be_rotated(
    gateway: RunningGateway, admin: httpx.Client
) -> None:
    rotated, revoked, expired = (create(admin) for _ in range(3))
    good(admin.post(f"/api/admin/keys/{rotated['id']}/rotate"), 201)
    good(admin.delete(f"/api/admin/keys/{revoked['id']}"), 204)
    sql(gateway, "update api_keys set expires_at = now() where id = %s", expired["id"])
    for key in (rotated, revoked, expired):
        refused(admin.post(f"/api/admin/keys/{key['id']}/rotate"), 409, "conflict")


@pytest.mark.parametrize("overlap", [-1, 30 * 86400 + 1, "long", None])
def test_the_overlap_is_bounded(admin: httpx.Client, overlap: object) -> None:
    key = create(admin)
    answer = admin.post(f"/api/admin/keys/{key['id']}/rotate", json={"overlap_seconds": overlap})
    refused(answer, 422, "validation_failed")


def test_unknown_keys_are_not_found(admin: httpx.Client) -> None:
    refused(admin.post("/api/admin/keys/0123456789abcdef/rotate"), 404, "not_found")
    refused(admin.delete("/api/admin/keys/0123456789abcdef"), 404, "not_found")


def test_revoking_twice_changes_nothing(gateway: RunningGateway, admin: httpx.Client) -> None:
    key = create(admin)
    good(admin.delete(f"/api/admin/keys/{key['id']}"), 204)
    first = sql(gateway, "select revoked_at from api_keys where id = %s", key["id"])
    good(admin.delete(f"/api/admin/keys/{key['id']}"), 204)
    assert sql(gateway, "select revoked_at from api_keys where id = %s", key["id"]) == first
    ((state,),) = [
        [one["state"]] for one in pages(admin, "/api/admin/keys", tenant=key["tenant"])[0]
    ]
    assert state == "revoked"


def test_an_admin_may_issue_a_key_for_the_tenant_of_a_wallet(admin: httpx.Client) -> None:
    made = create(admin, tenant="0xAB" + "12" * 19)
    assert made["tenant"] == "0xab" + "12" * 19
