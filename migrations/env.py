"""Alembic's environment: runs the migrations over asyncpg, in one process at a time."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.engine import Base, database_address
from app.database.pooler import WITHOUT_PREPARED_STATEMENTS
from migrations.tables import TABLES

assert TABLES  # imported so that the metadata knows every table
# An arbitrary number, the same in all processes.
MIGRATION_LOCK = 4_815_162_342


def run(connection: Connection) -> None:
    """Upgrade in one transaction, holding a lock that the transaction's end releases."""
    context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # A migration that has to wait for a long query fails instead, and can be run again.
        connection.execute(text("set local lock_timeout = '5s'"))
        context.run_migrations()


async def upgrade(url: str) -> None:
    """Upgrade the database at a URL to the newest revision."""
    # Without names of statements, because the URL may be that of a connection pooler.
    options = {**WITHOUT_PREPARED_STATEMENTS}
    engine = create_async_engine(database_address(url), poolclass=NullPool, connect_args=options)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(upgrade(context.config.attributes.get("url") or os.environ["HOKUSAI_DATABASE_URL"]))
