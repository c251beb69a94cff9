"""Runs the migrations over asyncpg, one process at a time."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.engine import Base, database_address
from migrations.tables import TABLES

assert TABLES  # imported so that the metadata knows every table
# Any number does, as long as all of our processes take the same.
MIGRATION_LOCK = 4_815_162_342


def run(connection: Connection) -> None:
    """Upgrade inside one transaction, under a lock that its end releases."""
    context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # A migration waits for nobody's long query: it fails, and can be run again.
        connection.execute(text("set local lock_timeout = '5s'"))
        context.run_migrations()


async def upgrade(url: str) -> None:
    engine = create_async_engine(database_address(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(upgrade(context.config.attributes.get("url") or os.environ["HOKUSAI_DATABASE_URL"]))
