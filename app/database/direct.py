"""Statements of a session's transaction that the driver runs itself.

Through SQLAlchemy the same statement takes several times the CPU time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.reads import Statement

# SQLAlchemy begins a transaction with its first statement.
_BEGIN = text("select")
# The entry of a session's `info` for its connection, which stays the same: a session of
# `Database.transaction` has one transaction.
_DRIVER = "driver"


async def run(session: AsyncSession, statement: Statement, **values: Any) -> list[asyncpg.Record]:
    """Run a statement on the session's connection; the rows that it returns.

    The session's objects are not flushed before it. Raises the exceptions of asyncpg.
    """
    driver = session.info.get(_DRIVER) or await _driver(session)
    rows: list[asyncpg.Record] = await driver.fetch(statement.sql, *statement.arguments(values))
    return rows


@dataclass(frozen=True, slots=True)
class Write:
    """An INSERT that is sent together with others.

    name: that of its rows for the writes that follow it, where it returns some. sql: the statement,
    without a WITH; values: those of its parameters.
    """

    name: str
    sql: str
    values: dict[str, Any]


async def run_all(session: AsyncSession, writes: Sequence[Write]) -> None:
    """Run writes on the session's connection, in one round trip: see `run`.

    None of them sees the rows of another one, except by its name.
    """
    statement = _together(tuple((write.name, write.sql) for write in writes))
    values = {
        f"{write.name}_{name}": value for write in writes for name, value in write.values.items()
    }
    await run(session, statement, **values)


_PARAMETER = re.compile(r":(?=[a-z])")


@lru_cache(maxsize=32)
def _together(writes: tuple[tuple[str, str], ...]) -> Statement:
    parts = [f"{name} as ({_PARAMETER.sub(f':{name}_', sql)})" for name, sql in writes]
    return Statement(text(f"with {', '.join(parts)} select"))


async def _driver(session: AsyncSession) -> asyncpg.Connection:
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert driver is not None
    if not driver.is_in_transaction():
        await session.execute(_BEGIN)
    session.info[_DRIVER] = driver
    return driver
