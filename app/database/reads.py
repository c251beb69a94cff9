"""Single SELECTs without a transaction: most of what the gateway reads of its own database.

A statement is compiled once and runs on asyncpg directly, in one round trip. Through SQLAlchemy's
session the same SELECT takes ten times the CPU time, for the transaction and for the objects.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import asyncpg
from pydantic_core import from_json, to_json
from sqlalchemy import Select, TextClause, inspect
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql.elements import Label

from app.core.errors import DatabaseUnavailableError


class Statement:
    """A statement, compiled once. Its values are those of its `bindparam`s, by name."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | TextClause) -> None:
        compiled = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
        self.sql = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of the SQL. Raises KeyError for one that is missing."""
        values = self._constants | values
        return [values[name] for name in self._names]


def columns_of(entity: type[Any], *, without: Sequence[str] = ()) -> list[Label[Any]]:
    """The columns of an ORM class by the names of its attributes, for a SELECT."""
    names = [column.key for column in inspect(entity).column_attrs]
    return [getattr(entity, name).label(name) for name in names if name not in without]


# Seconds for which a read waits for a connection.
WAIT_SECONDS = 1.5
Connect = Callable[[], Awaitable[tuple[asyncpg.Connection, bool]]]


class Reads:
    """Runs statements on connections of its own.

    connect: opens a connection, and says whether it is one through a pooler. It raises
        DatabaseUnavailableError. connections: their maximum number.
    is_unavailable: whether an exception means that PostgreSQL cannot respond at present.
    """

    def __init__(
        self, connect: Connect, connections: int, is_unavailable: Callable[[BaseException], bool]
    ) -> None:
        self.connections = connections
        self._connect = connect
        self._is_unavailable = is_unavailable
        self._free = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._used = 0

    async def all(self, statement: Statement, **values: Any) -> list[Any]:
        """All rows, as objects whose attributes are the columns. Raises as `tuples`."""
        return [SimpleNamespace(**row) for row in await self.tuples(statement, **values)]

    async def first(self, statement: Statement, **values: Any) -> Any | None:
        """The first row, if there is one. Raises as `tuples`."""
        rows = await self.all(statement, **values)
        return rows[0] if rows else None

    async def tuples(self, statement: Statement, **values: Any) -> list[Any]:
        """All rows, as tuples; JSON in them is parsed. Raises DatabaseUnavailableError."""
        arguments = statement.arguments(values)
        try:
            async with asyncio.timeout(WAIT_SECONDS if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError as error:
            raise _unavailable() from error
        self._used += 1
        try:
            return await self._fetch(statement.sql, arguments)
        except Exception as error:
            if isinstance(error, DatabaseUnavailableError) or not self._is_unavailable(error):
                raise
            raise _unavailable() from error
        finally:
            self._used -= 1
            self._free.release()

    def usage(self) -> tuple[int, int, int]:
        """The number of connections in use, of idle ones, and the maximum of both together."""
        return self._used, len(self._idle), self.connections

    async def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            await self._idle.pop().driver.close()

    async def _fetch(self, sql: str, arguments: list[Any]) -> list[Any]:
        while True:
            was_idle = bool(self._idle)
            connection = self._idle.pop() if was_idle else await self._open()
            try:
                rows = await connection.fetch(sql, arguments)
            except BaseException as error:
                if isinstance(error, asyncpg.PostgresError) and not self._is_unavailable(error):
                    self._idle.append(connection)
                    raise
                # It may be in the middle of a response, whose rest the next read would get.
                connection.driver.terminate()
                is_lost = isinstance(error, Exception) and not isinstance(error, TimeoutError)
                if not (was_idle and is_lost and self._is_unavailable(error)):
                    raise
                # The server has ended it while it was idle, so no other idle one works either.
                while self._idle:
                    self._idle.pop().driver.terminate()
            else:
                self._idle.append(connection)
                return rows

    async def _open(self) -> "_Connection":
        connection = _Connection(*await self._connect())
        await connection.read_json()
        return connection


class _Connection:
    """A connection of the driver. is_pooled: whether it leads through a pooler."""

    def __init__(self, driver: asyncpg.Connection, is_pooled: bool) -> None:
        self.driver = driver
        self._is_pooled = is_pooled

    async def fetch(self, sql: str, arguments: list[Any]) -> list[Any]:
        async with self._one_session():
            rows: list[Any] = await self.driver.fetch(sql, *arguments)
            return rows

    async def read_json(self) -> None:
        """Make the driver parse JSON."""
        async with self._one_session():
            for name in ("json", "jsonb"):
                await self.driver.set_type_codec(
                    name, schema="pg_catalog", encoder=to_json, decoder=from_json
                )

    def _one_session(self) -> AbstractAsyncContextManager[None]:
        # A statement takes two messages, which a pooler might give to two sessions of the server.
        return self.driver.transaction(readonly=True) if self._is_pooled else nullcontext()


def _unavailable() -> DatabaseUnavailableError:
    return DatabaseUnavailableError("The registry's database does not respond. Try again.")
