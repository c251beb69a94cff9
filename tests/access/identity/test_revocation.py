"""Revocation as several gateways on one database hear of it, and uses as they are written down."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock, patch

import httpx
import psycopg2
import pytest

from app.access.identity import cleanup
from app.access.identity.credential_cache import CredentialCache
from app.core.request.principal import Scope
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
Pair = tuple[RunningGateway, RunningGateway]


@pytest.fixture(scope="module")
def pair(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[Pair]:
    """Two gateways on a database that no other test uses."""
    url = new_database()
    with (
        RunningGateway(url, mlflow_server.url) as one,
        RunningGateway(url, mlflow_server.url) as other,
    ):
        yield one, other


def statuses(clients: list[httpx.Client]) -> set[int]:
    return {client.get(WHOAMI).status_code for client in clients}


def listening(gateway: RunningGateway) -> list[int]:
    """The backends that hold a listener's connection: it listens, then sends heartbeats."""
    return [
        pid
        for (pid,) in sql(
            gateway,
            "select pid from pg_stat_activity where datname = current_database()"
            " and (query ilike 'listen%%' or query = 'select 1')",
        )
    ]


@pytest.mark.parametrize("ends", ["revocation", "rotation"])
def test_a_key_is_ended_where_it_was_ended_before_anybody_is_told(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, ends: str
) -> None:
    with (
        patch.object(CredentialCache, "_on_notification", lambda *_: None),
        RunningGateway(new_database(), mlflow_server.url) as gateway,
        gateway.client(gateway.key()) as client,
        gateway.client(gateway.key(scopes=list(Scope))) as admin,
    ):
        wait_until(lambda: listening(gateway))
        own = good(client.get("/api/keys"))["items"][0]["id"]
        assert client.get(WHOAMI).status_code == 200
        if ends == "revocation":
            assert admin.delete(f"/api/admin/keys/{own}").status_code == 204
            refused(client.get(WHOAMI), 401, "key_revoked")
        else:
            good(client.post(f"/api/keys/{own}/rotate", json={"overlap_seconds": 0}), 201)
            refused(client.get(WHOAMI), 401, "key_rotated")


def both_listen(pair: Pair) -> bool:
    return len(listening(pair[0])) == 2


@pytest.mark.parametrize("act", ["revoke", "rotate"])
def test_every_gateway_hears_that_a_key_has_ended(pair: Pair, act: str) -> None:
    one, other = pair
    wait_until(lambda: both_listen(pair))
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
    # A second is promised. What tells a notification from the memory's own end is that the memory
    # holds a key for thirty; a busy machine may take its time.
    wait_until(lambda: statuses(clients) == {401}, seconds=10)
    for client in clients:
        refused(client.get(WHOAMI), 401, f"key_{act}d" if act == "rotate" else "key_revoked")
        client.close()


def test_a_gateway_whose_listener_was_cut_trusts_nothing_it_remembers(pair: Pair) -> None:
    one, other = pair
    wait_until(lambda: both_listen(pair))
    key = one.key()
    clients = [gateway.client(key) for gateway in pair]
    admin = other.client(other.key(scopes=ALL_SCOPES))
    assert statuses([*clients, admin]) == {200}
    key_id = good(clients[0].get(WHOAMI))["credential"]
    cut = set(listening(one))
    for pid in cut:
        sql(one, "select pg_terminate_backend(%s)", pid)
    good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
    wait_until(lambda: statuses(clients) == {401}, seconds=10)
    # They listen again, and hear of the next revocation.
    wait_until(lambda: both_listen(pair) and not cut & set(listening(one)))
    key = one.key()
    again = [gateway.client(key) for gateway in pair]
    assert statuses(again) == {200}
    key_id = good(again[0].get(WHOAMI))["credential"]
    good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
    wait_until(lambda: statuses(again) == {401}, seconds=10)
    for client in [*clients, *again, admin]:
        client.close()


def test_a_message_is_good_for_one_change_whichever_gateway_it_reaches(pair: Pair) -> None:
    one, other = (gateway.client() for gateway in pair)
    headers = Wallet().headers()
    good(one.post("/api/keys", json={"name": "first"}, headers=headers), 201)
    again = other.post("/api/keys", json={"name": "second"}, headers=headers)
    refused(again, 401, "signature_spent")
    write = "/api/mlflow/api/2.0/mlflow/experiments/create"
    refused(other.post(write, json={"name": "x"}, headers=headers), 401, "signature_spent")
    # It still tells who asks.
    good(other.get(WHOAMI, headers=headers))
    one.close()
    other.close()


def test_a_token_of_one_gateway_works_at_the_other(pair: Pair) -> None:
    one, other = pair
    with one.client(**Wallet().headers()) as client:
        token = good(client.post("/api/auth/token"), 201)["access_token"]
    with other.client(token) as client:
        good(client.get(WHOAMI))


def test_a_use_is_written_down(gateway: RunningGateway) -> None:
    """Through the upkeep of a gateway of its own, which runs once instead of every minute."""
    key = gateway.key(scopes=[Scope.READ])
    with gateway.client(key) as client:
        key_id = good(client.get(WHOAMI))["credential"]
        (listed,) = good(client.get("/api/keys"))["items"]
        assert listed["last_used_at"] is None
        moment = datetime.now(UTC).replace(microsecond=0)
        run_upkeep(gateway, {key_id: moment.timestamp(), "no such key": 1.0})
        (listed,) = good(client.get("/api/keys"))["items"]
        assert datetime.fromisoformat(listed["last_used_at"]) == moment


def test_a_gateway_writes_uses_down_by_itself(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "INTERVAL", 0.1)
    with RunningGateway(new_database(), mlflow_server.url) as running:
        wait_until(lambda: listening(running))
        began = datetime.now(UTC)
        with running.client(running.key()) as client:
            good(client.get(WHOAMI))
            used = "select last_used_at from api_keys where last_used_at is not null"
            wait_until(lambda: sql(running, used))
            ((at,),) = sql(running, used)
        assert began - timedelta(seconds=1) <= at <= datetime.now(UTC)


def test_upkeep_goes_on_after_a_failure(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Mock()
    monkeypatch.setattr(cleanup, "log", log)
    monkeypatch.setattr(cleanup, "INTERVAL", 0.1)
    with RunningGateway(new_database(), mlflow_server.url) as running:
        wait_until(lambda: listening(running))
        sql(running, "alter table nonces rename to elsewhere")
        wait_until(lambda: log.exception.called)
        with running.client(running.key()) as client:
            good(client.get(WHOAMI))
            # What was used meanwhile is not lost.
            failures = log.exception.call_count
            wait_until(lambda: log.exception.call_count > failures + 1)
            sql(running, "alter table elsewhere rename to nonces")
            used = "select last_used_at from api_keys where last_used_at is not null"
            wait_until(lambda: sql(running, used))


def test_upkeep_removes_what_has_expired_and_nothing_else(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        kept = good(client.get("/api/auth/nonce"))["nonce"]
        gone = good(client.get("/api/auth/nonce"))["nonce"]
        old, new = Wallet(), Wallet()
        for wallet in (old, new):
            good(client.post("/api/auth/token", headers=wallet.headers()), 201)
    sql(gateway, "update nonces set expires_at = now() where value = %s", gone)
    for table in ("access_tokens", "spent_signatures"):
        statement = f"update {table} set expires_at = now() where address = %s"  # noqa: S608
        sql(gateway, statement, old.address)
    run_upkeep(gateway, {})
    assert sql(gateway, "select value from nonces where value in (%s, %s)", kept, gone) == [(kept,)]
    for table in ("access_tokens", "spent_signatures"):
        statement = f"select address from {table} where address in (%s, %s)"  # noqa: S608
        assert sql(gateway, statement, old.address, new.address) == [(new.address,)]


def run_upkeep(gateway: RunningGateway, used: dict[str, float]) -> None:
    async def run() -> None:
        assert gateway.settings.database_url is not None
        database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
        try:
            await cleanup.run_once(database, used)
        finally:
            await database.close()

    asyncio.run(run())


@pytest.mark.parametrize("end", ["first", "second"])
def test_an_admin_ends_the_whole_line_of_a_stolen_key(gateway: RunningGateway, end: str) -> None:
    with (
        gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin,
        gateway.client(gateway.key()) as holder,
    ):
        first = good(holder.get("/api/auth/whoami"))["credential"]
        second = good(holder.post(f"/api/keys/{first}/rotate"), 201)
        with gateway.client(second["key"]) as thief:
            ended = {"first": first, "second": second["id"]}[end]
            good(admin.delete(f"/api/admin/keys/{ended}", params={"rotation_chain": True}), 204)
            for client in (holder, thief):
                wait_until(lambda client=client: client.get(WHOAMI).status_code == 401)  # type: ignore[misc]


def test_a_key_made_with_another_never_outlives_it(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(expires_in_days=2)) as parent:
        child = good(parent.post("/api/keys", json={"name": "n"}), 201)
        (limit,) = {key["expires_at"] for key in parent.get("/api/keys").json()["items"]}
    for _ in range(2):
        with gateway.client(child["key"]) as client:
            rotated = client.post(f"/api/keys/{child['id']}/rotate", json={"overlap_seconds": 0})
            child = good(rotated, 201)
        assert child["expires_at"] == limit


def test_a_wallet_makes_no_key_without_an_end(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        body = {"name": "n", "expires_in_days": None}
        key = good(client.post("/api/keys", json=body, headers=wallet.headers()), 201)
    life = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < life <= timedelta(days=90)


# As the gateway makes a key with another, or in its place: %s are its id, digest and parent, and
# the id of that other.
ANOTHER = """
insert into api_keys (id, digest, parent, principal, tenant, name, scopes, pepper_version, hint,
    allowed_networks, created_at, created_by, expires_at)
select %s, %s, %s, principal, tenant, name, scopes, pepper_version, hint,
    allowed_networks, created_at, created_by, expires_at from api_keys where id = %s
"""


@pytest.mark.parametrize("act", ["made", "rotated"])
def test_a_revocation_finds_the_key_that_is_being_made_just_then(
    gateway: RunningGateway, act: str
) -> None:
    """Whoever has stolen a key must not come through with another in that very moment."""
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
        wait_until(lambda: somebody_waits(gateway))
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


def somebody_waits(gateway: RunningGateway) -> bool:
    """Whether a transaction waits for another one's row."""
    return bool(
        sql(
            gateway,
            "select 1 from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'",
        )
    )
