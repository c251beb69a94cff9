"""The cleanup removes expired rows, and stores when keys were last used."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from app.access.identity import cleanup
from app.core.request.principal import Scope
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.access.identity.conftest import listening
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
        wait_until(lambda: listening(running))
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
        wait_until(lambda: listening(running))
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


async def run_cleanup(gateway: RunningGateway, last_used: dict[str, float]) -> None:
    assert gateway.settings.database_url is not None
    database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
    try:
        await cleanup.run_once(database, last_used)
    finally:
        await database.close()
