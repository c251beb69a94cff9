"""Keys that owners create and change for themselves, never with more rights than they have."""

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg2
import pytest

from app.core.request.principal import Scope
from tests.support.gateway import ALL_SCOPES, MEMBER_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
LOOPBACK = ["127.0.0.0/8"]


@contextmanager
def own_client(
    gateway: RunningGateway, scopes: Sequence[Scope] = MEMBER_SCOPES, **request: Any
) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=scopes, **request)) as client:
        yield client


def create(client: httpx.Client, **fields: Any) -> Any:
    return good(client.post("/api/keys", json={"name": "mine", **fields}), 201)


def own(client: httpx.Client) -> str:
    """The id of the key that a client uses."""
    return str(good(client.get(WHOAMI))["credential"])


def end(key: Any) -> datetime:
    return datetime.fromisoformat(key["expires_at"])


def test_an_own_key_has_the_same_principal(gateway: RunningGateway) -> None:
    with own_client(gateway, rate_limit=1000) as client:
        me = good(client.get(WHOAMI))
        made = create(client)
        assert made["principal"] == me["principal"]
        assert (made["scopes"], made["tenant"]) == (me["scopes"], me["tenant"])
        assert (made["rate_limit"], made["parent"]) == (1000, me["credential"])
        with gateway.client(made["key"]) as mine:
            again = good(mine.get(WHOAMI))
        assert again == {**me, "credential": made["id"], "expires_at": made["expires_at"]}


def test_an_owner_sees_only_its_own_keys(gateway: RunningGateway) -> None:
    tenant = "shared by two keys"
    with (
        gateway.client(gateway.key(tenant)) as one,
        gateway.client(gateway.key(tenant)) as other,
    ):
        made = create(one)
        listed = {key["id"] for key in good(one.get("/api/keys"))["items"]}
        assert listed == {own(one), made["id"]}
        assert {key["id"] for key in good(other.get("/api/keys"))["items"]} == {own(other)}
        page = good(one.get("/api/keys", params={"limit": 1}))
        rest = good(one.get("/api/keys", params={"limit": 1, "cursor": page["next"]}))
        assert {page["items"][0]["id"], rest["items"][0]["id"]} == listed
        assert rest["next"] is None
        # The response is the same as for a key that does not exist.
        refused(other.delete(f"/api/keys/{made['id']}"), 404, "not_found")
        refused(other.post(f"/api/keys/{made['id']}/rotate"), 404, "not_found")


@pytest.mark.parametrize(
    "asked",
    [
        {"scopes": ["admin"]},
        {"scopes": ["read", "register"]},
        {"rate_limit": 51},
        {"allowed_networks": ["10.0.0.0/8"]},
        {"allowed_networks": ["0.0.0.0/0"]},
        {"allowed_networks": ["127.0.0.1/32", "::/0"]},
    ],
)
def test_an_own_key_cannot_have_more_rights(gateway: RunningGateway, asked: dict[str, Any]) -> None:
    scopes = [Scope.READ, Scope.WRITE]
    with own_client(gateway, scopes, rate_limit=50, allowed_networks=LOOPBACK) as client:
        answer = client.post("/api/keys", json={"name": "more", **asked})
        refused(answer, 403, "permission_denied")
        assert len(good(client.get("/api/keys"))["items"]) == 1


def test_a_key_without_its_own_limit_cannot_exceed_the_default(
    gateway: RunningGateway,
) -> None:
    with own_client(gateway) as client:
        create(client, rate_limit=1_000_000)
    with (
        RunningGateway(
            gateway.settings.database_url.get_secret_value(),  # type: ignore[union-attr]
            "http://127.0.0.1:9",
            rate_limit=100,
        ) as other,
        own_client(other) as client,
    ):
        create(client, rate_limit=100)
        answer = client.post("/api/keys", json={"name": "more", "rate_limit": 101})
        refused(answer, 403, "permission_denied")


def test_an_own_key_expires_no_later_than_the_owners(gateway: RunningGateway) -> None:
    with own_client(gateway, expires_in_days=2) as client:
        (mine,) = good(client.get("/api/keys"))["items"]
        assert end(create(client)) == end(mine)
        for asked in (3, 3650, None):
            body = {"name": "longer", "expires_in_days": asked}
            problem = refused(client.post("/api/keys", json=body), 403, "permission_denied")
            assert str(end(mine)) in problem["message"]
        assert end(create(client, expires_in_days=1)) < end(mine)


def test_networks_are_inherited(gateway: RunningGateway) -> None:
    with own_client(gateway, allowed_networks=LOOPBACK) as client:
        assert create(client)["allowed_networks"] == LOOPBACK
        narrow = create(client, allowed_networks=["127.0.0.1"])
        assert narrow["allowed_networks"] == ["127.0.0.1/32"]


def test_unknown_fields_are_refused(gateway: RunningGateway) -> None:
    with own_client(gateway) as client:
        answer = client.post("/api/keys", json={"name": "n", "tenant": "another"})
        refused(answer, 422, "validation_failed")


@pytest.mark.parametrize("act", ["rotate", "revoke"])
@pytest.mark.parametrize(
    "less",
    [
        {"scopes": ["read"]},
        {"rate_limit": 10},
        {"allowed_networks": LOOPBACK},
    ],
)
def test_a_key_cannot_change_a_key_with_more_rights(
    gateway: RunningGateway, less: dict[str, Any], act: str
) -> None:
    with (
        own_client(gateway, ALL_SCOPES) as client,
        gateway.client(create(client, **less)["key"]) as low,
    ):
        target = f"/api/keys/{own(client)}"
        answer = low.post(f"{target}/rotate") if act == "rotate" else low.delete(target)
        refused(answer, 403, "permission_denied")
        good(client.get(WHOAMI))


def test_rotating_a_sibling_does_not_outlive_the_callers_key(gateway: RunningGateway) -> None:
    with own_client(gateway, expires_in_days=None) as client:
        short = create(client, expires_in_days=1)
        with gateway.client(short["key"]) as low:
            rotated = good(low.post(f"/api/keys/{own(client)}/rotate"), 201)
        assert end(rotated) <= end(short)


def test_an_owner_rotates_its_own_key(gateway: RunningGateway) -> None:
    with own_client(gateway, expires_in_days=5) as client:
        old = own(client)
        new = good(client.post(f"/api/keys/{old}/rotate", json={"overlap_seconds": 60}), 201)
        left = end(new) - datetime.now(UTC)
        assert timedelta(days=4, hours=23) < left <= timedelta(days=5)
        # Both work; the old one can no longer create a key that outlives its overlap.
        made = create(client)
        assert end(made) - datetime.now(UTC) <= timedelta(seconds=60)
        refused(client.post(f"/api/keys/{old}/rotate"), 409, "conflict")


@pytest.mark.parametrize("days", [5, None])
def test_rotation_does_not_extend_a_key(gateway: RunningGateway, days: int | None) -> None:
    secret = gateway.key(expires_in_days=days)
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin, gateway.client(secret) as first:
        end_of_first = good(first.get(WHOAMI))["expires_at"]
        for by_admin in (False, True, False):
            with gateway.client(secret) as client:
                path = f"keys/{own(client)}/rotate"
                body = {"overlap_seconds": 0}
                if by_admin:
                    answer = admin.post(f"/api/admin/{path}", json=body)
                else:
                    answer = client.post(f"/api/{path}", json=body)
                rotated = good(answer, 201)
            assert rotated["expires_at"] == end_of_first
            secret = rotated["key"]


def test_concurrent_rotations_create_one_successor(gateway: RunningGateway) -> None:
    with own_client(gateway) as client, ThreadPoolExecutor(6) as pool:
        path = f"/api/keys/{own(client)}/rotate"
        answers = list(pool.map(lambda _: client.post(path), range(6)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
        assert len(good(client.get("/api/keys"))["items"]) == 2


def test_revocation_includes_the_keys_created_with_a_key(gateway: RunningGateway) -> None:
    with own_client(gateway) as client:
        child = create(client)
        with gateway.client(child["key"]) as mine:
            grandchild = create(mine)
            rotated = good(mine.post(f"/api/keys/{grandchild['id']}/rotate"), 201)
        keys = [child["key"], grandchild["key"], rotated["key"]]
        clients = [gateway.client(key) for key in keys]
        for one in clients:
            good(one.get(WHOAMI))
        good(client.delete(f"/api/keys/{own(client)}"), 204)
        for one in [client, *clients]:
            wait_until(lambda one=one: one.get(WHOAMI).status_code == 401)  # type: ignore[misc]
            refused(one.get(WHOAMI), 401, "key_revoked")
        for one in clients:
            one.close()


def test_revoking_a_successor_revokes_keys_created_before_the_rotation(
    gateway: RunningGateway,
) -> None:
    with own_client(gateway) as client:
        child = create(client)
        new = good(client.post(f"/api/keys/{own(client)}/rotate"), 201)
        late = create(client)  # created with the old key, in its overlap
    with gateway.client(new["key"]) as client:
        good(client.delete(f"/api/keys/{new['id']}"), 204)
    states = dict(
        sql(
            gateway,
            "select id, revoked_at is not null from api_keys where principal = %s",
            new["principal"],
        )
    )
    assert states[child["id"]]
    assert states[new["id"]]
    assert not states[late["id"]]  # its parent is the old key, which is not revoked


def test_an_owner_revokes_a_single_key(gateway: RunningGateway) -> None:
    with own_client(gateway) as client:
        made = create(client)
        good(client.delete(f"/api/keys/{made['id']}"), 204)
        with gateway.client(made["key"]) as mine:
            refused(mine.get(WHOAMI), 401, "key_revoked")
        good(client.get(WHOAMI))


def test_a_wallet_creates_keys_for_itself(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        answer = client.post("/api/keys", json={"name": "mine"}, headers=wallet.headers())
        made = good(answer, 201)
        assert made["may_issue"] is False
        assert (made["principal"], made["tenant"]) == (wallet.principal, wallet.tenant)
        assert (made["parent"], made["scopes"]) == (None, ["read", "write", "register", "attest"])
        for asked in ({"scopes": ["admin"]}, {"rate_limit": 1_000_001}):
            more = client.post(
                "/api/keys", json={"name": "more", **asked}, headers=wallet.headers()
            )
            assert more.status_code in (403, 422)
        listed = good(client.get("/api/keys", headers=wallet.headers()))["items"]
        assert [key["id"] for key in listed] == [made["id"]]
        with gateway.client(made["key"]) as mine:
            me = good(mine.get(WHOAMI))
            assert (me["address"], me["principal"]) == (wallet.address, wallet.principal)
        path = f"/api/keys/{made['id']}"
        new = good(client.post(f"{path}/rotate", headers=wallet.headers()), 201)
        good(client.delete(f"/api/keys/{new['id']}", headers=wallet.headers()), 204)
        good(client.delete(path, headers=wallet.headers()), 204)


def test_a_token_cannot_manage_keys(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        made = good(client.post("/api/keys", json={"name": "mine"}, headers=wallet.headers()), 201)
        token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)
    with gateway.client(token["access_token"]) as client:
        assert len(good(client.get("/api/keys"))["items"]) == 1
        for answer in (
            client.post("/api/keys", json={"name": "outlives the token"}),
            client.post(f"/api/keys/{made['id']}/rotate"),
            client.delete(f"/api/keys/{made['id']}"),
        ):
            refused(answer, 403, "permission_denied")


def test_a_restricted_key_of_a_wallet_cannot_gain_rights(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        whole, part = (
            good(client.post("/api/keys", json=asked, headers=wallet.headers()), 201)
            for asked in ({"name": "whole"}, {"name": "part", "scopes": ["read"]})
        )
    with gateway.client(part["key"]) as client:
        refused(client.post(f"/api/keys/{whole['id']}/rotate"), 403, "permission_denied")
        answer = client.post("/api/keys", json={"name": "n", "scopes": ["write"]})
        refused(answer, 403, "permission_denied")


@pytest.mark.parametrize("end", ["first", "second"])
def test_an_admin_revokes_the_rotation_chain_of_a_stolen_key(
    gateway: RunningGateway, end: str
) -> None:
    with (
        gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin,
        gateway.client(gateway.key()) as owner,
    ):
        first = good(owner.get("/api/auth/whoami"))["credential"]
        second = good(owner.post(f"/api/keys/{first}/rotate"), 201)
        with gateway.client(second["key"]) as thief:
            ended = {"first": first, "second": second["id"]}[end]
            good(admin.delete(f"/api/admin/keys/{ended}", params={"rotation_chain": True}), 204)
            for client in (owner, thief):
                wait_until(lambda client=client: client.get(WHOAMI).status_code == 401)  # type: ignore[misc]


def test_a_key_created_with_another_never_outlives_it(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(expires_in_days=2)) as parent:
        child = good(parent.post("/api/keys", json={"name": "n"}), 201)
        (limit,) = {key["expires_at"] for key in parent.get("/api/keys").json()["items"]}
    for _ in range(2):
        with gateway.client(child["key"]) as client:
            rotated = client.post(f"/api/keys/{child['id']}/rotate", json={"overlap_seconds": 0})
            child = good(rotated, 201)
        assert child["expires_at"] == limit


# Creates a key with another one, or as its successor, as the gateway does. The %s are the new key's
# id, digest and parent, and the id of the other.
ANOTHER = """
insert into api_keys (id, digest, parent, principal, tenant, name, scopes, pepper_version, hint,
    allowed_networks, created_at, created_by, expires_at)
select %s, %s, %s, principal, tenant, name, scopes, pepper_version, hint,
    allowed_networks, created_at, created_by, expires_at from api_keys where id = %s
"""


@pytest.mark.parametrize("act", ["made", "rotated"])
def test_a_revocation_includes_a_key_that_is_being_created(
    gateway: RunningGateway, act: str
) -> None:
    """A thief must not keep a key that was created while the stolen key was being revoked."""
    made = secrets.token_hex(8)
    with (
        gateway.client(gateway.key()) as mine,
        gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin,
        transaction(gateway) as (thief, cursor),
        ThreadPoolExecutor(1) as pool,
    ):
        first = good(mine.get(WHOAMI))["credential"]
        path = "/api/keys" if act == "made" else f"/api/keys/{first}/rotate"
        second = good(mine.post(path, json={"name": "second"} if act == "made" else {}), 201)["id"]
        cursor.execute("select 1 from api_keys where id = %s for update", (second,))
        parent = second if act == "made" else None
        cursor.execute(ANOTHER, (made, secrets.token_bytes(32), parent, second))
        if act == "rotated":
            cursor.execute("update api_keys set successor = %s where id = %s", (made, second))
        line = {"rotation_chain": act == "rotated"}
        revoking = pool.submit(admin.delete, f"/api/admin/keys/{first}", params=line)
        wait_until(lambda: waits_for_lock(gateway))
        thief.commit()
        good(revoking.result(), 204)
    ((revoked,),) = sql(gateway, "select revoked_at from api_keys where id = %s", made)
    assert revoked is not None


@contextmanager
def transaction(gateway: RunningGateway) -> Iterator[tuple[Any, Any]]:
    assert gateway.settings.database_url is not None
    url = gateway.settings.database_url.get_secret_value()
    connection = psycopg2.connect(url.replace("+asyncpg", ""))
    try:
        with connection.cursor() as cursor:
            yield connection, cursor
    finally:
        connection.close()


def waits_for_lock(gateway: RunningGateway) -> bool:
    """Whether a transaction waits for a row that another one has locked."""
    return bool(
        sql(
            gateway,
            "select 1 from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'",
        )
    )
