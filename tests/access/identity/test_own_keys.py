"""Keys that holders make and change for themselves: never more than they have."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
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
def holder(
    gateway: RunningGateway, scopes: Sequence[Scope] = MEMBER_SCOPES, **request: Any
) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=scopes, **request)) as client:
        yield client


def make(client: httpx.Client, **asked: Any) -> Any:
    return good(client.post("/api/keys", json={"name": "mine", **asked}), 201)


def own(client: httpx.Client) -> str:
    """The id of the key that a client presents."""
    return str(good(client.get(WHOAMI))["credential"])


def end(key: Any) -> datetime:
    return datetime.fromisoformat(key["expires_at"])


def test_a_key_of_ones_own_speaks_for_the_same_principal(gateway: RunningGateway) -> None:
    with holder(gateway, rate_limit=1000) as client:
        me = good(client.get(WHOAMI))
        made = make(client)
        assert made["principal"] == me["principal"]
        assert (made["scopes"], made["tenant"]) == (me["scopes"], me["tenant"])
        assert (made["rate_limit"], made["parent"]) == (1000, me["credential"])
        with gateway.client(made["key"]) as mine:
            again = good(mine.get(WHOAMI))
        assert again == {**me, "credential": made["id"]}


def test_one_sees_ones_own_keys_only(gateway: RunningGateway) -> None:
    tenant = "shared by two keys"
    with (
        gateway.client(gateway.key(tenant)) as one,
        gateway.client(gateway.key(tenant)) as other,
    ):
        made = make(one)
        listed = {key["id"] for key in good(one.get("/api/keys"))["items"]}
        assert listed == {own(one), made["id"]}
        assert {key["id"] for key in good(other.get("/api/keys"))["items"]} == {own(other)}
        page = good(one.get("/api/keys", params={"limit": 1}))
        rest = good(one.get("/api/keys", params={"limit": 1, "cursor": page["next"]}))
        assert {page["items"][0]["id"], rest["items"][0]["id"]} == listed
        assert rest["next"] is None
        # A foreign key is as unknown as one that does not exist.
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
def test_nothing_can_be_raised(gateway: RunningGateway, asked: dict[str, Any]) -> None:
    scopes = [Scope.READ, Scope.WRITE]
    with holder(gateway, scopes, rate_limit=50, allowed_networks=LOOPBACK) as client:
        answer = client.post("/api/keys", json={"name": "more", **asked})
        refused(answer, 403, "permission_denied")
        assert len(good(client.get("/api/keys"))["items"]) == 1


def test_a_key_without_a_limit_of_its_own_may_not_ask_for_more_than_the_default(
    gateway: RunningGateway,
) -> None:
    with holder(gateway) as client:
        make(client, rate_limit=1_000_000)
    with (
        RunningGateway(
            gateway.settings.database_url.get_secret_value(),  # type: ignore[union-attr]
            "http://127.0.0.1:9",
            rate_limit=100,
        ) as other,
        holder(other) as client,
    ):
        make(client, rate_limit=100)
        answer = client.post("/api/keys", json={"name": "more", "rate_limit": 101})
        refused(answer, 403, "permission_denied")


def test_the_end_is_no_later_than_the_holders_own(gateway: RunningGateway) -> None:
    with holder(gateway, expires_in_days=2) as client:
        (mine,) = good(client.get("/api/keys"))["items"]
        for asked in ({}, {"expires_in_days": 30}, {"expires_in_days": None}):
            assert end(make(client, **asked)) == end(mine)
        assert end(make(client, expires_in_days=1)) < end(mine)


def test_networks_are_inherited(gateway: RunningGateway) -> None:
    with holder(gateway, allowed_networks=LOOPBACK) as client:
        assert make(client)["allowed_networks"] == LOOPBACK
        narrow = make(client, allowed_networks=["127.0.0.1"])
        assert narrow["allowed_networks"] == ["127.0.0.1/32"]


def test_unknown_fields_are_refused(gateway: RunningGateway) -> None:
    with holder(gateway) as client:
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
def test_a_lesser_key_has_no_power_over_a_greater_one(
    gateway: RunningGateway, less: dict[str, Any], act: str
) -> None:
    with holder(gateway, ALL_SCOPES) as client, gateway.client(make(client, **less)["key"]) as low:
        target = f"/api/keys/{own(client)}"
        answer = low.post(f"{target}/rotate") if act == "rotate" else low.delete(target)
        refused(answer, 403, "permission_denied")
        good(client.get(WHOAMI))


def test_rotating_a_sibling_cannot_outlive_ones_own_key(gateway: RunningGateway) -> None:
    with holder(gateway, expires_in_days=None) as client:
        short = make(client, expires_in_days=1)
        with gateway.client(short["key"]) as low:
            rotated = good(low.post(f"/api/keys/{own(client)}/rotate"), 201)
        assert end(rotated) <= end(short)


def test_one_rotates_ones_own_key(gateway: RunningGateway) -> None:
    with holder(gateway, expires_in_days=5) as client:
        old = own(client)
        new = good(client.post(f"/api/keys/{old}/rotate", json={"overlap_seconds": 60}), 201)
        left = end(new) - datetime.now(UTC)
        assert timedelta(days=4, hours=23) < left <= timedelta(days=5)
        # Both work; the old one can no longer make a key that outlives its overlap.
        made = make(client)
        assert end(made) - datetime.now(UTC) <= timedelta(seconds=60)
        refused(client.post(f"/api/keys/{old}/rotate"), 409, "conflict")


def test_a_key_that_is_rotated_twice_at_once_has_one_successor(gateway: RunningGateway) -> None:
    with holder(gateway) as client, ThreadPoolExecutor(6) as pool:
        path = f"/api/keys/{own(client)}/rotate"
        answers = list(pool.map(lambda _: client.post(path), range(6)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
        assert len(good(client.get("/api/keys"))["items"]) == 2


def test_revocation_reaches_the_keys_made_with_a_key(gateway: RunningGateway) -> None:
    with holder(gateway) as client:
        child = make(client)
        with gateway.client(child["key"]) as mine:
            grandchild = make(mine)
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


def test_revocation_follows_the_line_of_rotations(gateway: RunningGateway) -> None:
    with holder(gateway) as client:
        child = make(client)
        new = good(client.post(f"/api/keys/{own(client)}/rotate"), 201)
        late = make(client)  # made with the old key, in its overlap
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
    assert not states[late["id"]]  # its parent is the old key, which is still there to be revoked


def test_one_ends_a_single_key(gateway: RunningGateway) -> None:
    with holder(gateway) as client:
        made = make(client)
        good(client.delete(f"/api/keys/{made['id']}"), 204)
        with gateway.client(made["key"]) as mine:
            refused(mine.get(WHOAMI), 401, "key_revoked")
        good(client.get(WHOAMI))


def test_a_wallet_makes_keys_for_itself(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        answer = client.post("/api/keys", json={"name": "mine"}, headers=wallet.headers())
        made = good(answer, 201)
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


def test_a_token_manages_no_keys(gateway: RunningGateway) -> None:
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


def test_a_key_of_a_wallet_can_do_no_more_than_itself(gateway: RunningGateway) -> None:
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
