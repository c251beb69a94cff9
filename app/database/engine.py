"""PostgreSQL: the engine and its transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog
from sqlalchemy import DateTime, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import QueuePool

from app.core.errors import DatabaseUnavailableError, StartupError

log = structlog.get_logger()

# A server that answers nothing must not hold a caller: 503 within three seconds, be it while
# waiting for a connection (POOL + CONNECT), on one that is dead (QUICK + CLOSE), or in the middle
# of a transaction (STATEMENT + CLOSE).
POOL_SECONDS = 1.5
CONNECT_SECONDS = 1.4
STATEMENT_SECONDS = 2.5
# What costs a server that is there nothing at all: BEGIN, ROLLBACK.
QUICK_SECONDS = 0.8
CLOSE_SECONDS = 0.2
# SQLSTATE classes that say "not now": connection, two transactions in each other's way, resources,
# shutdown or start of the server.
AWAY = ("08", "40", "53", "57P")
# What a URL may say after its `?`.
OPTIONS = frozenset({"host", "ssl", "sslmode"})


class Base(DeclarativeBase):
    """The root of every table's class."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


def now() -> datetime:
    """The time in UTC, as every column keeps it."""
    return datetime.now(UTC)


def database_address(url: str) -> URL:
    """SQLAlchemy's URL for asyncpg; libpq's `sslmode` becomes asyncpg's `ssl`.

    Raises StartupError for what is no URL, and for options other than `OPTIONS`.
    """
    try:
        parsed = make_url(url).set(drivername="postgresql+asyncpg")
    except (exc.ArgumentError, ValueError):
        # Their messages may repeat a part of the URL, and so of the password.
        raise StartupError(
            "HOKUSAI_DATABASE_URL cannot be read: write postgresql://user:password@host:port/name, "
            "with / : @ ? and # in a password percent-encoded"
        ) from None
    # Neither is named: what looks like them may be the end of a password.
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise StartupError("HOKUSAI_DATABASE_URL: a port is a number from 1 to 65535")
    if not parsed.query.keys() <= OPTIONS:
        # The driver would fail over them only when it connects.
        raise StartupError(
            "HOKUSAI_DATABASE_URL: the only options possible after its ? are sslmode and host; "
            "files for TLS are named by PGSSLROOTCERT, PGSSLCERT and PGSSLKEY"
        )
    mode = parsed.query.get("sslmode")
    if mode is not None:
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed


def where(address: URL) -> str:
    """Host or socket, port and database of an address, for people: no user and no password."""
    host = address.host or address.query.get("host") or "localhost"
    text = f"{host}:{address.port or 5432}/{address.database or ''}"
    # An @ that was not percent-encoded leaves the end of a password in what is taken for the host.
    return text.rpartition("@")[2]


def in_one_line(error: BaseException) -> str:
    """What is wrong, as the driver says it; SQLAlchemy's own text repeats the statement."""
    while isinstance(error, DatabaseUnavailableError) and error.__cause__ is not None:
        error = error.__cause__
    cause = getattr(error, "orig", None) or error
    words = str(cause).strip().splitlines() or [type(cause).__name__]
    return words[0]


def _is_away(error: BaseException) -> bool:
    """Whether an error says that the database is away, rather than that we asked wrongly."""
    if isinstance(error, DatabaseUnavailableError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, exc.TimeoutError | asyncpg.InterfaceError):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(AWAY)
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated or isinstance(error, exc.InterfaceError):
            return True
        state = getattr(error.orig, "sqlstate", None) or ""
        return state.startswith(AWAY) or isinstance(error.__cause__, OSError | TimeoutError)
    return False


class _BoundedConnection(asyncpg.Connection):  # type: ignore[misc]
    """asyncpg's connection, with little patience where little is due.

    SQLAlchemy begins a transaction to see whether a connection lives, and allows two seconds for
    closing one that does not.
    """

    # The signatures are asyncpg's.
    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        if query.startswith(("BEGIN", "ROLLBACK")):
            timeout = QUICK_SECONDS
        status: str = await super().execute(query, *args, timeout=timeout)
        return status

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await super().close(timeout=CLOSE_SECONDS)


async def _connect(*args: Any, **options: Any) -> asyncpg.Connection:
    """asyncpg.connect, whose errors are told here from those of whoever uses the connection.

    Also a password that was changed and a database that is gone are not for a caller to know.
    """
    try:
        return await asyncpg.connect(*args, **options)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("database.unreachable", error=type(error).__name__)
        raise DatabaseUnavailableError("PostgreSQL cannot be reached.") from error


class Database:
    """The gateway's connections to PostgreSQL."""

    def __init__(self, url: str, *, connections: int = 10) -> None:
        self.address = database_address(url)
        self.engine: AsyncEngine = create_async_engine(
            self.address,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,
            # An error's text must not repeat what was looked for.
            hide_parameters=True,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "connection_class": _BoundedConnection,
                "async_creator_fn": _connect,
            },
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end, or rolls back.

        Raises DatabaseUnavailableError when PostgreSQL is away, so that no caller has to know how
        its driver says so.
        """
        session = self._sessions()
        try:
            yield session
            await session.commit()
        except Exception as error:
            if not _is_away(error):
                raise
            # There is nothing to roll back where nobody listens.
            await session.invalidate()
            raise DatabaseUnavailableError(
                "The registry's database does not answer. Try again."
            ) from error
        finally:
            await session.close()

    async def connect(self) -> asyncpg.Connection:
        """A bare connection of its own, for LISTEN. Raises what asyncpg raises."""
        arguments = self.address.translate_connect_args(username="user")
        return await asyncpg.connect(
            **arguments,
            **self.address.query,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
        )

    async def revision(self) -> str | None:
        """The schema's revision; None where nothing was migrated yet."""
        async with self.transaction() as session:
            known = await session.scalar(text("select to_regclass('alembic_version')"))
            if known is None:
                return None
            found: str | None = await session.scalar(
                text("select version_num from alembic_version")
            )
            return found

    def usage(self) -> tuple[int, int, int]:
        """Connections in use, idle ones, and how many there may be."""
        pool = self.engine.sync_engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout(), pool.checkedin(), pool.size()

    async def close(self) -> None:
        await self.engine.dispose()
