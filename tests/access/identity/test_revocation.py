"""The revocation of a key reaches every gateway on the same database."""

import httpx
import pytest

from tests.access.identity.conftest import Pair, listeners, wait_until_cached
from tests.support.gateway import ALL_SCOPES
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.waiting import wait_until

WHOAMI = "/api/auth/whoami"


def statuses(clients: list[httpx.Client]) -> set[int]:
    return {client.get(WHOAMI).status_code for client in clients}


@pytest.mark.parametrize("act", ["revoke", "rotate"])
def test_every_gateway_is_notified_of_a_revocation_or_rotation(pair: Pair, act: str) -> None:
    one, other = pair
    wait_until_cached(*pair)
    key = one.key()
    clients = [gateway.client(key) for gateway in pair]
    assert statuses(clients) == {200}
    key_id = good(clients[0].get(WHOAMI))["credential"]
    with other.client(other.key(scopes=ALL_SCOPES)) as admin:
        if act == "revoke":
            good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
        else:
            path = f"/api/admin/keys/{key_id}/rotate"
            good(admin.post(path, json={"overlap_seconds": 0}), 201)
    wait_until(lambda: statuses(clients) == {401})
    for client in clients:
        refused(client.get(WHOAMI), 401, f"key_{act}d" if act == "rotate" else "key_revoked")
        client.close()


def test_a_lost_listener_clears_the_cache_and_reconnects(pair: Pair) -> None:
    one, other = pair
    wait_until_cached(*pair)
    key = one.key()
    clients = [gateway.client(key) for gateway in pair]
    admin = other.client(other.key(scopes=ALL_SCOPES))
    assert statuses([*clients, admin]) == {200}
    key_id = good(clients[0].get(WHOAMI))["credential"]
    cut = set(listeners(one))
    for pid in cut:
        sql(one, "select pg_terminate_backend(%s)", pid)
    good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
    wait_until(lambda: statuses(clients) == {401})
    # They listen again, and are notified of the next revocation.
    wait_until(lambda: len(set(listeners(one)) - cut) == 2)
    wait_until_cached(*pair)
    key = one.key()
    again = [gateway.client(key) for gateway in pair]
    assert statuses(again) == {200}
    key_id = good(again[0].get(WHOAMI))["credential"]
    good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
    wait_until(lambda: statuses(again) == {401})
    for client in [*clients, *again, admin]:
        client.close()
