"""Detects a connection pooler between the gateway and PostgreSQL, such as PgBouncer.

A pooler may give each transaction another session of the server. So nothing that lasts longer than
a transaction can be used through it: prepared statements with a name, LISTEN, session settings.
"""

import asyncpg

# SQLAlchemy's option and asyncpg's, with which no statement has a name.
WITHOUT_PREPARED_STATEMENTS = {"prepared_statement_cache_size": 0, "statement_cache_size": 0}


class PoolerError(Exception):
    """The connection leads to a pooler, and what was asked of it needs a session of its own."""


async def is_pooled(connection: asyncpg.Connection) -> bool:
    """Whether the server process is another one than that which accepted the connection.

    PostgreSQL announces the process of a session when it begins. A pooler has to announce a number
    of its own, because the process changes.
    """
    # In a transaction, so that one process runs all of it; without a name, because another client's
    # statement may have that name there.
    async with connection.transaction():
        statement = await connection.prepare("select pg_backend_pid()", name="")
        return bool(await statement.fetchval() != connection.get_server_pid())


async def require_session(connection: asyncpg.Connection) -> None:
    """Raise PoolerError if the connection leads to a pooler."""
    if await is_pooled(connection):
        raise PoolerError("a connection pooler")
