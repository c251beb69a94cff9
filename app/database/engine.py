"""Connections and transactions of PostgreSQL, over SQLAlchemy and asyncpg."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog
from sqlalchemy import DateTime, event, exc, text
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from app.core.errors import DatabaseUnavailableError, StartupError
from app.database.pooler import WITHOUT_PREPARED_STATEMENTS, PoolerError, require_session
from app.database.reads import Reads

log = structlog.get_logger()

# Timeouts in seconds. A PostgreSQL that does not respond must not keep a caller waiting: together
# they give a 503 within three seconds, whether a connection is waited for (POOL + CONNECT), an
# idle one turns out to be dead (BEGIN + CLOSE), or a transaction is under way (STATEMENT + CLOSE).
POOL_SECONDS = 1.5
CONNECT_SECONDS = 1.4
STATEMENT_SECONDS = 2.5
# For BEGIN and ROLLBACK, which take a responsive server no time.
BEGIN_SECONDS = 0.8
CLOSE_SECONDS = 0.2
# SQLSTATEs of a server that takes no changes: a standby, a primary after a failover, or one that an
# operator has set to read-only; and a server without space on its disk.
READ_ONLY = "25006"
DISK_FULL = "53100"
# SQLSTATE classes of temporary errors: connection lost, server read-only, conflict of two
# transactions, resources exhausted, server starting or shutting down, failing disk.
UNAVAILABLE_STATES = ("08", READ_ONLY, "40", "53", "57P", "58")
# A change of no row, which a read-only server refuses like any other.
WRITE_PROBE = text("delete from nonces where false")
# A result of some 100 KB, which PostgreSQL stores on its disk because of the small `work_mem`.
SPACE_PROBE = (
    text("set local work_mem = '64kB'"),
    text("select count(*) from generate_series(1, 8000)"),
)
# The query parameters that HOKUSAI_DATABASE_URL may have.
OPTIONS = frozenset({"host", "ssl", "sslmode"})

# What a database that cannot be used raises.
FAILURES = (
    DatabaseUnavailableError,
    exc.SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)
# What else an unusable URL raises. TypeError and ValueError: it has an option that the driver does
# not know or cannot use. KeyError: it names no role, and this user has no name that could be one.
UNUSABLE_URL = (TypeError, ValueError, KeyError)
# The SQLSTATE of a missing privilege.
NOT_PERMITTED = "42501"


def _check_alive(connection: Any, _: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
    """Replace all connections of a pool where one does not respond any more.

    As `pool_pre_ping` does, but with one round trip in place of three.
    """
    try:
        connection.run_async(_ping)
    except Exception as error:
        raise exc.InvalidatePoolError from error


async def _ping(driver: asyncpg.Connection) -> None:
    await driver.execute("select 1", timeout=BEGIN_SECONDS)


class Base(DeclarativeBase):
    """The base class of all tables."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


def now() -> datetime:
    """The current time in UTC, the time zone of all columns."""
    return datetime.now(UTC)


def database_address(url: str) -> URL:
    """HOKUSAI_DATABASE_URL as a SQLAlchemy URL for asyncpg; libpq's `sslmode` becomes `ssl`.

    Raises StartupError if it is not a valid URL, or has query parameters other than `OPTIONS`. No
    message repeats a part of the URL, which may be part of the password.
    """
    try:
        parsed = make_url(url).set(drivername="postgresql+asyncpg")
    except (exc.ArgumentError, ValueError):
        # `from None`: SQLAlchemy's message may repeat part of the URL.
        raise StartupError(
            "HOKUSAI_DATABASE_URL cannot be read: write postgresql://user:password@host:port/name, "
            "with / : @ ? and # in a password percent-encoded"
        ) from None
    # What is parsed as the port or as a parameter may be the end of a password.
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise StartupError("HOKUSAI_DATABASE_URL: the port must be a number from 1 to 65535")
    if not parsed.query.keys() <= OPTIONS:
        # The driver would refuse them only when it connects.
        raise StartupError(
            "HOKUSAI_DATABASE_URL: only sslmode and host are allowed after the ?; set "
            "PGSSLROOTCERT, PGSSLCERT and PGSSLKEY for TLS files"
        )
    mode = parsed.query.get("sslmode")
    if mode is not None:
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed


def display_address(address: URL) -> str:
    """`host:port/database` for messages: without user and password. host may be a socket."""
    host = address.host or address.query.get("host") or "localhost"
    text = f"{host}:{address.port or 5432}/{address.database or ''}"
    # An @ in a password that is not percent-encoded moves the end of the password into the host.
    return text.rpartition("@")[2]


def driver_message(error: BaseException) -> str:
    """The first line of the driver's error message, without the statement that SQLAlchemy adds."""
    cause = _driver_error(error)
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[0]


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of PostgreSQL's error (its Appendix A), also of one that was wrapped."""
    return getattr(_driver_error(error), "sqlstate", None) or ""


def _driver_error(error: BaseException) -> BaseException:
    """The error that the driver raised, where SQLAlchemy or the gateway has wrapped it."""
    while isinstance(error, DatabaseUnavailableError) and error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "orig", None) or error


def _is_unavailable(error: BaseException) -> bool:
    """Whether an error means that PostgreSQL is unavailable, and not that a statement is wrong."""
    if isinstance(error, DatabaseUnavailableError | ConnectionError | TimeoutError):
        return True
    # The driver raises InternalClientError where the server has ended a connection at a bad moment.
    if isinstance(error, exc.TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return True
    if sqlstate(error).startswith(UNAVAILABLE_STATES):
        return True
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated or isinstance(error, exc.InterfaceError):
            return True
        return isinstance(error.__cause__, OSError | TimeoutError)
    return False


def _fault(error: BaseException) -> str:
    """What is wrong with PostgreSQL, for callers."""
    state = sqlstate(error)
    if state == READ_ONLY:
        return "The registry's database is read-only at the moment."
    if state == DISK_FULL:
        return "The registry's database has no space left."
    return "The registry's database does not respond."


class _BoundedConnection(asyncpg.Connection):  # type: ignore[misc]
    """An asyncpg connection with short timeouts for BEGIN, ROLLBACK and closing.

    SQLAlchemy begins a transaction to test whether a connection is alive, and waits two seconds to
    close one that is not.
    """

    # The signatures are those of asyncpg.Connection.
    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        if query.startswith(("BEGIN", "ROLLBACK")):
            timeout = BEGIN_SECONDS
        status: str = await super().execute(query, *args, timeout=timeout)
        return status

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await super().close(timeout=CLOSE_SECONDS)


async def _connect(*args: Any, **options: Any) -> asyncpg.Connection:
    """asyncpg.connect, with every error raised as DatabaseUnavailableError.

    A wrong password or a missing database, too, is logged and not shown to the caller. Errors of
    statements on an open connection are not handled here. Raises PoolerError if the connection
    would use prepared statements, and leads to a pooler.
    """
    try:
        connection = await asyncpg.connect(*args, **options)
        try:
            if options.get("statement_cache_size") != 0:
                await require_session(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("database.unreachable", error=type(error).__name__)
        raise DatabaseUnavailableError("PostgreSQL cannot be reached.") from error


class Database:
    """The gateway's connections to PostgreSQL: for transactions, and for `reads` without one.

    url: HOKUSAI_DATABASE_URL. connections: their maximum number, at least one of each kind; a third
    are for reads, so that neither kind waits for the other. direct_url: the same database without
    the pooler, if `url` leads to one (HOKUSAI_DATABASE_DIRECT_URL). Raises as `database_address`.
    """

    def __init__(self, url: str, *, connections: int = 10, direct_url: str | None = None) -> None:
        self.address = database_address(url)
        self.direct_address = database_address(direct_url or url)
        # Whether there is a connection pooler; known after the first connection.
        self.is_pooled = False
        for_reads = max(1, connections // 3)
        self.reads = Reads(self._connect_for_reads, for_reads, _is_unavailable)
        self.engine: AsyncEngine = create_async_engine(
            self.address,
            pool_size=max(1, connections - for_reads),
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            # Parameters such as a key's digest must not appear in error messages.
            hide_parameters=True,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "connection_class": _BoundedConnection,
                "async_creator_fn": _connect,
            },
        )
        event.listen(self.engine.sync_engine, "do_connect", self._connect)
        event.listen(self.engine.sync_engine, "checkout", _check_alive)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end, or rolls back if an exception is raised.

        Raises DatabaseUnavailableError while PostgreSQL is unavailable, in place of the various
        exceptions of the driver.
        """
        session = self._sessions()
        try:
            yield session
            await session.commit()
        except Exception as error:
            if not _is_unavailable(error):
                raise
            # A rollback would need the connection that has just failed.
            await session.invalidate()
            if sqlstate(error) in (READ_ONLY, DISK_FULL):
                log.warning("database.refused_write", error=driver_message(error))
            if sqlstate(error) == READ_ONLY:
                # Of all connections, so that new ones lead to the primary.
                await self.engine.dispose()
            raise DatabaseUnavailableError(f"{_fault(error)} Try again.") from error
        finally:
            await session.close()

    def _connect(
        self, dialect: Dialect, _: Any, arguments: list[Any], options: dict[str, Any]
    ) -> Any:
        """Open a connection; through a pooler, one without prepared statements."""
        if not self.is_pooled:
            try:
                return dialect.connect(*arguments, **options)
            except PoolerError:
                self._note_pooler()
        options |= WITHOUT_PREPARED_STATEMENTS
        return dialect.connect(*arguments, **options)

    async def _connect_for_reads(self) -> tuple[asyncpg.Connection, bool]:
        """The same for `reads`, and whether the connection is one through a pooler."""
        options: dict[str, Any] = {
            **self.address.translate_connect_args(username="user"),
            **self.address.query,
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "connection_class": _BoundedConnection,
        }
        if not self.is_pooled:
            try:
                return await _connect(**options), False
            except PoolerError:
                self._note_pooler()
        return await _connect(**options, statement_cache_size=0), True

    def _note_pooler(self) -> None:
        if not self.is_pooled:  # of several connections at once, one reports it
            log.warning("database.pooled")
        self.is_pooled = True

    async def connect(self) -> asyncpg.Connection:
        """A connection outside of the pool, for LISTEN, to the server itself.

        Raises PoolerError if it leads to a pooler, and the exceptions of asyncpg.
        """
        arguments = self.direct_address.translate_connect_args(username="user")
        connection = await asyncpg.connect(
            **arguments,
            **self.direct_address.query,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
        )
        try:
            await require_session(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def revision(self) -> str | None:
        """The schema's revision; None for a database that was never migrated."""
        async with self.transaction() as session:
            table = await session.scalar(text("select to_regclass('alembic_version')"))
            if table is None:
                return None
            revision: str | None = await session.scalar(
                text("select version_num from alembic_version")
            )
            return revision

    async def check_writable(self) -> None:
        """Check that changes are possible. Changes nothing; the schema has to be there.

        Raises DatabaseUnavailableError where PostgreSQL is read-only or has no space left, and
        SQLAlchemy's ProgrammingError where the role lacks a privilege.
        """
        async with self.transaction() as session:
            await session.execute(WRITE_PROBE)
            for statement in SPACE_PROBE:
                await session.execute(statement)

    def usage(self) -> tuple[int, int, int]:
        """The number of connections in use, of idle ones, and the maximum of both together."""
        pool = self.engine.sync_engine.pool
        assert isinstance(pool, QueuePool)
        used, idle, most = self.reads.usage()
        return pool.checkedout() + used, pool.checkedin() + idle, pool.size() + most

    async def close(self) -> None:
        await self.reads.close()
        await self.engine.dispose()
