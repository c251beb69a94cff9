"""The migrations create exactly the tables that the classes describe."""

from collections.abc import Callable

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.engine import Base, database_address
from app.database.revision import MIGRATIONS
from migrations.tables import TABLES


async def test_the_newest_schema_is_that_of_the_classes(new_database: Callable[[], str]) -> None:
    assert TABLES

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    engine = create_async_engine(database_address(new_database()), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(compare) == []
    finally:
        await engine.dispose()


def test_migrations_run_in_the_order_of_their_numbers() -> None:
    """By its number alone a gateway decides whether a schema is new enough for it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    ids = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert ids == sorted(ids, reverse=True)
