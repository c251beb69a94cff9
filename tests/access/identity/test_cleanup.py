"""The cleanup removes expired rows, and stores when keys were last used."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import httpx
import pytest

from app.access.identity import cleanup
from app.access.identity.credential_cache import CredentialCache
from app.control_plane.idempotency.cleanup import IdempotencyCleanup
from app.core.request.principal import Scope
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.access.identity.conftest import wait_until_cached
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"


async def test_the_last_use_is_stored(gateway: RunningGateway) -> None:
    key = await asyncio.to_thread(gateway.key, scopes=[Scope.READ])
    with gateway.client(key) as client:
        key_id = good(client.get(WHOAMI))["credential"]
        (listed,) = good(client.get("/api/keys"))["items"]
        assert listed["last_used_at"] is None
        moment = datetime.now(UTC).replace(microsecond=0)
        await run_cleanup(gateway, {key_id: moment.timestamp(), "no such key": 1.0})
        (listed,) = good(client.get("/api/keys"))["items"]
        assert datetime.fromisoformat(listed["last_used_at"]) == moment


def test_a_running_gateway_stores_the_last_use(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "INTERVAL", 0.1)
    with RunningGateway(new_database(), mlflow_server.url) as running:
        wait_until_cached(running)
        began = datetime.now(UTC)
        with running.client(running.key()) as client:
            good(client.get(WHOAMI))
            used = "select last_used_at from api_keys where last_used_at is not null"
            wait_until(lambda: sql(running, used))
            ((at,),) = sql(running, used)
        assert began - timedelta(seconds=1) <= at <= datetime.now(UTC)


def test_the_cleanup_continues_after_a_failure(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Mock()
    monkeypatch.setattr(cleanup, "log", log)
    monkeypatch.setattr(cleanup, "INTERVAL", 0.1)
    with RunningGateway(new_database(), mlflow_server.url) as running:
        wait_until_cached(running)
        sql(running, "alter table nonces rename to elsewhere")
        wait_until(lambda: log.exception.called)
        with running.client(running.key()) as client:
            good(client.get(WHOAMI))
            # The uses in the meantime are stored as well.
            failures = log.exception.call_count
            wait_until(lambda: log.exception.call_count > failures + 1)
            sql(running, "alter table elsewhere rename to nonces")
            used = "select last_used_at from api_keys where last_used_at is not null"
            wait_until(lambda: sql(running, used))


async def test_the_cleanup_removes_only_expired_rows(gateway: RunningGateway) -> None:
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
    await run_cleanup(gateway, {})
    assert sql(gateway, "select value from nonces where value in (%s, %s)", kept, gone) == [(kept,)]
    for table in ("access_tokens", "spent_signatures"):
        statement = f"select address from {table} where address in (%s, %s)"  # noqa: S608
        assert sql(gateway, statement, old.address, new.address) == [(new.address,)]


def listed(client: httpx.Client) -> list[str]:
    return [key["id"] for key in good(client.get("/api/keys"))["items"]]


async def test_keys_that_ended_long_ago_are_removed(gateway: RunningGateway) -> None:
    secret = await asyncio.to_thread(gateway.key)
    with gateway.client(secret) as client:
        names = ("revoked", "expired", "recent", "kept")
        made = {
            name: good(client.post("/api/keys", json={"name": name}), 201)["id"] for name in names
        }
        for name in ("revoked", "recent"):
            good(client.delete(f"/api/keys/{made[name]}"), 204)
        rotated = good(client.post(f"/api/keys/{made['expired']}/rotate"), 201)["id"]
        tenant = good(client.get(WHOAMI))["tenant"]
        own = good(client.get(WHOAMI))["credential"]
        before = {one["kind"]: one["used"] for one in good(client.get("/api/limits"))["quotas"]}
        past = "now() - interval '31 days'"
        sql(gateway, f"update api_keys set revoked_at = {past} where id = %s", made["revoked"])  # noqa: S608
        sql(gateway, f"update api_keys set expires_at = {past} where id = %s", made["expired"])  # noqa: S608
        await run_cleanup(gateway, {})
        assert set(listed(client)) == {own, made["recent"], made["kept"], rotated}
        after = {one["kind"]: one["used"] for one in good(client.get("/api/limits"))["quotas"]}
    assert after == {**before, "keys": before["keys"] - 2}
    assert sql(gateway, "select 1 from api_keys where tenant = %s", tenant) == [(1,)] * 4


async def test_a_key_to_which_another_refers_is_not_removed(gateway: RunningGateway) -> None:
    secret = await asyncio.to_thread(gateway.key)
    with gateway.client(secret) as client:
        own = good(client.get(WHOAMI))["credential"]
        child = good(client.post("/api/keys", json={"name": "child"}), 201)["id"]
        good(client.delete(f"/api/keys/{own}"), 204)
    past = "now() - interval '31 days'"
    sql(gateway, f"update api_keys set revoked_at = {past} where id = %s", own)  # noqa: S608
    count = "select id from api_keys where id in (%s, %s)"
    await run_cleanup(gateway, {})
    assert len(sql(gateway, count, own, child)) == 2
    sql(gateway, f"update api_keys set revoked_at = {past} where id = %s", child)  # noqa: S608
    await run_cleanup(gateway, {})
    await run_cleanup(gateway, {})
    assert sql(gateway, count, own, child) == []


async def test_responses_of_old_requests_are_removed(gateway: RunningGateway) -> None:
    insert = (
        "insert into idempotent_requests (principal, key, request_hash, status, answer, created_at)"
        " values ('key:old', %s, '', %s, %s, now() - %s * interval '1 day')"
    )
    sql(gateway, insert, "old", 201, "{}", 21)
    sql(gateway, insert, "recent", 201, "{}", 19)
    sql(gateway, insert, "in progress", None, None, 21)
    await run_cleanup(gateway, {})
    left = sql(gateway, "select key from idempotent_requests where principal = 'key:old'")
    assert sorted(left) == [("in progress",), ("recent",)]


async def run_cleanup(gateway: RunningGateway, last_used: dict[str, float]) -> None:
    assert gateway.settings.database_url is not None
    database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
    try:
        await cleanup.Cleanup(
            database,
            CredentialCache(),
            ended_key_days=30,
            removals=(IdempotencyCleanup(days=20),),
        ).run_once(last_used)
    finally:
        await database.close()
