"""Connections to PostgreSQL: their URLs, their transactions, and how its absence is reported."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import exc, text

from app.core.errors import DatabaseUnavailableError, StartupError
from app.database import engine, reads
from app.database.engine import (
    Database,
    database_address,
    display_address,
    driver_message,
    now,
)
from app.database.revision import newest_revision
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.redis import free_port


@pytest.fixture
async def database(new_database: Callable[[], str]) -> AsyncIterator[Database]:
    opened = Database(new_database(), connections=2)
    yield opened
    await opened.close()


@pytest.fixture
async def unreachable() -> AsyncIterator[Database]:
    opened = Database(f"postgresql://u:secret@127.0.0.1:{free_port()}/d")
    yield opened
    await opened.close()


def test_now_is_in_utc() -> None:
    assert now().utcoffset() == timedelta(0)


# --- URLs ---


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgres://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("postgresql://h/d?ssl=verify-full", "postgresql+asyncpg://h/d?ssl=verify-full"),
        ("postgresql:///d?host=/run/pg", "postgresql+asyncpg:///d?host=/run/pg"),
        ("postgresql://u:p%40%2F%3A@h/d", "postgresql+asyncpg://u:p%40%2F%3A@h/d"),
    ],
)
def test_a_url_is_converted_for_asyncpg(url: str, expected: str) -> None:
    assert database_address(url) == database_address(expected)
    rendered = database_address(url).render_as_string(hide_password=False)
    assert rendered.replace("%2F", "/") == expected.replace("%2F", "/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("secret", "cannot be read"),
        ("postgresql://u:secret@h:port/d", "cannot be read"),
        ("postgresql://u:secret@h:0/d", "1 to 65535"),
        ("postgresql://u:secret@h:65536/d", "1 to 65535"),
        ("postgresql://h/d?secret=1", "only sslmode and host"),
        ("postgresql://h/d?sslmode=require&sslrootcert=secret", "only sslmode and host"),
    ],
)
def test_an_invalid_url_is_refused_without_repeating_it(url: str, words: str) -> None:
    with pytest.raises(StartupError, match=words) as caught:
        database_address(url)
    assert str(caught.value).startswith("HOKUSAI_DATABASE_URL")
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:5433/d", "h:5433/d"),
        ("postgresql://u:secret@h/d", "h:5432/d"),
        ("postgresql://u:secret@h", "h:5432/"),
        ("postgresql:///d?host=/run/pg", "/run/pg:5432/d"),
        ("postgresql:///d", "localhost:5432/d"),
        ("postgresql://u:sec@ret@h/d", "h:5432/d"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert display_address(database_address(url)) == shown


# --- messages ---


def unavailable(cause: Exception) -> DatabaseUnavailableError:
    error = DatabaseUnavailableError("The database does not respond.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("no route\nto the host"), "no route"),
        (OSError(), "OSError"),
        (exc.DBAPIError("select secret", {}, ValueError("no such column")), "no such column"),
        (unavailable(ConnectionRefusedError("refused")), "refused"),
        (unavailable(unavailable(ConnectionRefusedError("refused"))), "refused"),
        (DatabaseUnavailableError("no cause"), "no cause"),
    ],
)
def test_the_drivers_message_is_one_line_without_the_statement(
    error: Exception, message: str
) -> None:
    assert driver_message(error) == message


# --- transactions ---


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("create table made (a int)"))
    async with database.transaction() as session:
        assert await session.scalar(text("select to_regclass('made')")) is not None


async def test_a_transaction_rolls_back_for_an_exception(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            await session.execute(text("create table made (a int)"))
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    async with database.transaction() as session:
        assert await session.scalar(text("select to_regclass('made')")) is None


def raise_state(state: str) -> str:
    return f"do $$ begin raise exception 'no' using errcode = '{state}'; end $$"


@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53300", "57P01", "57P03"])
async def test_a_temporary_error_means_unavailable(database: Database, state: str) -> None:
    with pytest.raises(DatabaseUnavailableError):
        async with database.transaction() as session:
            await session.execute(text(raise_state(state)))


@pytest.mark.parametrize("state", ["22012", "23505", "42P01"])
async def test_another_error_of_a_statement_is_raised_as_it_is(
    database: Database, state: str
) -> None:
    with pytest.raises(exc.DBAPIError) as caught:
        async with database.transaction() as session:
            await session.execute(text(raise_state(state)))
    assert getattr(caught.value.orig, "sqlstate", None) == state


async def test_an_unreachable_server_is_unavailable(unreachable: Database) -> None:
    with pytest.raises(DatabaseUnavailableError, match="does not respond") as caught:
        async with unreachable.transaction() as session:
            await session.execute(text("select 1"))
    assert driver_message(caught.value).startswith("[Errno 111]")


def test_the_timeouts_give_a_503_within_three_seconds() -> None:
    """docs/production.md promises that to callers, whatever the database is doing."""
    assert engine.POOL_SECONDS + engine.CONNECT_SECONDS < 3
    assert engine.BEGIN_SECONDS + engine.CLOSE_SECONDS < 3
    assert engine.STATEMENT_SECONDS + engine.CLOSE_SECONDS < 3
    assert reads.WAIT_SECONDS + engine.CONNECT_SECONDS < 3


async def test_a_statement_that_takes_too_long_is_unavailable(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 0.1)
    database = Database(new_database(), connections=1)
    with pytest.raises(DatabaseUnavailableError):
        async with database.transaction() as session:
            await session.execute(text("select pg_sleep(30)"))
    await database.close()


async def test_waiting_for_a_connection_takes_bounded_time(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "POOL_SECONDS", 0.1)
    database = Database(new_database(), connections=1)
    async with database.transaction() as session:
        await session.execute(text("select 1"))
        with pytest.raises(DatabaseUnavailableError):
            async with database.transaction() as second:
                await second.execute(text("select 1"))
    await database.close()


async def test_a_connection_that_the_server_has_closed_is_replaced(database: Database) -> None:
    async with database.transaction() as session:
        pid = await session.scalar(text("select pg_backend_pid()"))
    other = await database.connect()
    assert await other.fetchval("select pg_terminate_backend($1, 60000)", pid)  # waits for its end
    await other.close()
    async with database.transaction() as session:
        assert await session.scalar(text("select pg_backend_pid()")) != pid


async def test_parameters_are_not_part_of_an_error(database: Database) -> None:
    with pytest.raises(exc.DBAPIError) as caught:
        async with database.transaction() as session:
            await session.execute(text("select cast(:value as int) / 0"), {"value": 41973})
    assert "41973" not in str(caught.value)


# --- the rest ---


async def test_a_separate_connection_can_listen(database: Database) -> None:
    received = asyncio.Event()
    connection: asyncpg.Connection = await database.connect()
    await connection.add_listener("channel", lambda *_: received.set())
    async with database.transaction() as session:
        await session.execute(text("notify channel"))
    await asyncio.wait_for(received.wait(), 30)
    await connection.close()


async def test_a_separate_connection_raises_the_drivers_error(unreachable: Database) -> None:
    with pytest.raises(ConnectionRefusedError):
        await unreachable.connect()


async def test_the_revision_is_that_of_the_newest_migration(database: Database) -> None:
    assert await database.revision() == newest_revision()


async def test_a_database_that_was_never_migrated_has_no_revision(
    postgres: EmbeddedPostgreSQL,
) -> None:
    postgres.create_database("engine_without_tables")
    database = Database(postgres.url("engine_without_tables"), connections=1)
    assert await database.revision() is None
    await database.close()


async def test_usage_counts_connections(database: Database) -> None:
    assert database.usage() == (0, 0, 2)
    async with database.transaction() as session:
        await session.execute(text("select 1"))
        assert database.usage() == (1, 0, 2)
    assert database.usage() == (0, 1, 2)
