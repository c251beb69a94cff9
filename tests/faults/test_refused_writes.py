"""A database or an MLflow that responds, but refuses to write: read-only, or a full disk."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from app.control_plane import health
from app.core import disk_space
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.sql import sql
from tests.support.waiting import GENEROUS, wait_until

KEY = {"name": "another", "scopes": ["read"]}


@contextmanager
def read_only(postgres: EmbeddedPostgreSQL) -> Iterator[None]:
    """Make the whole server read-only for sessions that exist, too, as a failover does."""
    with closing(psycopg2.connect(postgres.url("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("alter system set default_transaction_read_only = on")
            cursor.execute("select pg_reload_conf()")
            try:
                yield
            finally:
                cursor.execute("set default_transaction_read_only = off")
                cursor.execute("alter system reset default_transaction_read_only")
                cursor.execute("select pg_reload_conf()")


@pytest.fixture
def running(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningGateway]:
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    with RunningGateway(new_database(), mlflow_server.url) as gateway:
        yield gateway


def pids(gateway: RunningGateway) -> set[int]:
    """The server processes of the pool's connections: all but that of LISTEN."""
    rows = sql(
        gateway,
        "select pid from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and query not like 'LISTEN%%' and "
        "query not like '%%pg_is_in_recovery%%' and query not like 'select name from tenants%%'",
    )
    return {row[0] for row in rows}


def test_a_read_only_database_is_503_not_ready_and_left_for_a_new_connection(
    running: RunningGateway, postgres: EmbeddedPostgreSQL
) -> None:
    with running.client(running.key(scopes=ALL_SCOPES)) as client:
        assert client.post("/api/keys", json=KEY).status_code == 201
        before = pids(running)
        assert before
        with read_only(postgres):
            wait_until(lambda: client.get("/readyz").status_code == 503)
            checks = client.get("/readyz").json()["checks"]
            assert "read-only" in checks["migrations"]["detail"]
            assert client.get("/api/auth/whoami").status_code == 200
            for request in (
                client.build_request("POST", "/api/keys", json=KEY),
                client.build_request("GET", "/api/auth/nonce"),
            ):
                refused = client.send(request)
                assert refused.status_code == 503, refused.text
                assert refused.json()["reason"] == "database_unavailable"
                assert "read-only" in refused.json()["message"]
                assert refused.headers["retry-after"]
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/api/keys", json=KEY).status_code == 201
        # PostgreSQL notices the end of a connection later.
        wait_until(lambda: not before & pids(running))


def test_a_full_disk_of_postgresql_is_503_and_named(running: RunningGateway) -> None:
    sql(
        running,
        "create function refuse() returns trigger language plpgsql as $$ begin raise exception "
        "'could not extend file: No space left on device' using errcode = '53100'; end $$",
    )
    key = running.key(scopes=ALL_SCOPES)
    sql(running, "create trigger full_disk before insert on api_keys execute function refuse()")
    with running.client(key) as client:
        refused = client.post("/api/keys", json=KEY)
    assert refused.status_code == 503
    assert refused.json()["reason"] == "database_unavailable"
    assert "no space left" in refused.json()["message"]
    assert refused.headers["retry-after"]


def test_a_full_disk_of_postgresql_is_not_ready(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    url = new_database()
    fill_disk(url)
    with RunningGateway(url, mlflow_server.url) as gateway, gateway.client() as client:
        checks = client.get("/readyz").json()["checks"]
    assert checks["migrations"]["ready"] is False
    assert "no space left" in checks["migrations"]["detail"]


def fill_disk(url: str) -> None:
    """Let PostgreSQL fail where a result is stored on its disk, as if that were full."""
    name = url.partition("?")[0].rpartition("/")[2]
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("create schema full_disk")
        cursor.execute("grant usage on schema full_disk to public")
        cursor.execute(
            "create function full_disk.generate_series(int, int) returns setof int language "
            "plpgsql as $$ begin raise exception 'No space left on device' using errcode = "
            "'53100'; end $$"
        )
        cursor.execute(f"alter database {name} set search_path = full_disk, pg_catalog, public")


def test_the_disk_of_a_started_mlflow_is_checked(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(health, "PROBE_SECONDS", GENEROUS)
    (tmp_path / "mlflow").mkdir()
    with (
        RunningGateway(new_database(), mlflow_server.url, data_dir=tmp_path) as gateway,
        gateway.client() as client,
    ):
        assert client.get("/readyz").status_code == 200
        monkeypatch.setattr(health, "MIN_FREE", 2**62)
        checks = client.get("/readyz").json()["checks"]
        assert checks["upstream"]["ready"] is False
        assert "MB left on the disk of" in checks["upstream"]["detail"]
        (tmp_path / "mlflow").rmdir()
        assert client.get("/readyz").status_code == 200
    assert disk_space.free_bytes(tmp_path / "none") is None
