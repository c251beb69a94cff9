"""Reads without a transaction: their values, their connections, and the absence of PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, literal, literal_column, select

from app.access.tenants.models import Tenant
from app.control_plane.registry.models import Model
from app.core.errors import DatabaseUnavailableError
from app.database import engine, reads
from app.database.engine import Database
from app.database.reads import Statement, columns_of
from tests.support.redis import free_port

PID = Statement(select(func.pg_backend_pid().label("pid")))
SLEEP = Statement(select(func.pg_sleep(bindparam("seconds", type_=literal(1.0).type))))


@pytest.fixture
async def database(new_database: Callable[[], str]) -> AsyncIterator[Database]:
    opened = Database(new_database(), connections=3)
    yield opened
    await opened.close()


async def terminate(database: Database, pid: int) -> None:
    other = await database.connect()
    assert await other.fetchval("select pg_terminate_backend($1, 60000)", pid)  # waits for its end
    await other.close()


async def pid(database: Database) -> Any:
    row = await database.reads.first(PID)
    assert row is not None
    return row.pid


async def test_a_row_has_its_columns_as_attributes_and_json_is_parsed(database: Database) -> None:
    statement = Statement(
        select(
            bindparam("text", type_=Tenant.name.type).label("text"),
            literal_column("""'{"a": [1, "ä"]}'::json""").label("json"),
            literal_column("""'{"b": null}'::jsonb""").label("jsonb"),
        ).limit(5)
    )
    (row,) = await database.reads.all(statement, text="x")
    assert (row.text, row.json, row.jsonb) == ("x", {"a": [1, "ä"]}, {"b": None})
    assert await database.reads.first(Statement(select(*columns_of(Tenant)))) is None


def test_columns_have_the_names_of_attributes() -> None:
    names = [column.name for column in columns_of(Model, without=["path"])]
    assert "stated_metadata" in names
    assert not {"metadata", "path"} & set(names)


async def test_a_missing_value_is_an_error(database: Database) -> None:
    with pytest.raises(KeyError):
        await database.reads.all(SLEEP)


async def test_a_connection_is_used_again_also_after_a_wrong_statement(database: Database) -> None:
    first = await pid(database)
    division = Statement(select(literal_column("1 / 0")))
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.reads.all(division)
    assert await pid(database) == first
    assert database.reads.usage() == (0, 1, 1)


async def test_a_connection_that_the_server_has_closed_is_replaced(database: Database) -> None:
    first = await pid(database)
    await terminate(database, first)
    assert await pid(database) != first


async def test_a_connection_that_is_lost_during_a_read_means_unavailable(
    database: Database,
) -> None:
    first = await pid(database)
    reading = asyncio.create_task(database.reads.all(SLEEP, seconds=30.0))
    await asyncio.sleep(0)
    await terminate(database, first)
    # The read is tried once more, on a new connection, which is lost as well.
    other = await database.connect()
    query = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where query like '%pg_sleep%' and pid <> pg_backend_pid()"
    )
    while not (ended := await other.fetchval(query)):
        pass
    assert ended == 1
    await other.close()
    with pytest.raises(DatabaseUnavailableError):
        await reading


async def test_a_cancelled_read_leaves_no_connection_with_its_response(
    database: Database,
) -> None:
    await pid(database)
    reading = asyncio.create_task(database.reads.all(SLEEP, seconds=30.0))
    await asyncio.sleep(0)
    assert database.reads.usage() == (1, 0, 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert database.reads.usage() == (0, 0, 1)
    assert await pid(database)


async def test_a_read_that_takes_too_long_is_unavailable(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 0.1)
    database = Database(new_database(), connections=1)
    with pytest.raises(DatabaseUnavailableError):
        await database.reads.all(SLEEP, seconds=30.0)
    await database.close()


async def test_waiting_for_a_connection_takes_bounded_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "WAIT_SECONDS", 0.1)
    reading = asyncio.create_task(database.reads.all(SLEEP, seconds=30.0))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailableError):
        await database.reads.all(PID)
    reading.cancel()


async def test_reads_and_transactions_do_not_wait_for_each_other(database: Database) -> None:
    assert database.usage() == (0, 0, 3)
    async with database.transaction() as one, database.transaction() as two:
        await one.execute(select(1))
        await two.execute(select(1))
        assert await pid(database)
        assert database.usage() == (2, 1, 3)


async def test_an_unreachable_server_is_unavailable() -> None:
    database = Database(f"postgresql://u:secret@127.0.0.1:{free_port()}/d")
    with pytest.raises(DatabaseUnavailableError):
        await database.reads.all(PID)
    await database.close()
