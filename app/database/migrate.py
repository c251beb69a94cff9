"""The migration to the newest schema.

Apart from the database, because Alembic is a tenth of a process's memory, and serving needs none.
"""

import asyncio
from contextlib import suppress

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import DatabaseUnavailableError, StartupError
from app.core.settings import Settings
from app.database.engine import MIGRATIONS, in_one_line, revision_of, suffices


def alembic_config(url: str | None = None) -> Config:
    """Alembic's configuration for our migrations, with the database in `attributes`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Upgrade the schema to the newest revision; several at once wait for each other."""
    command.upgrade(alembic_config(url), "head")


def migrate_database(settings: Settings) -> None:
    """Bring the schema of HOKUSAI_DATABASE_URL up to date; that of a later release stays as it is.

    Raises StartupError without a URL, where the database cannot be reached or refuses, and where
    its schema is none that this or a later release makes.
    """
    if settings.database_url is None:
        raise StartupError("HOKUSAI_DATABASE_URL is not set: it says which database to migrate")
    url = settings.database_url.get_secret_value()
    with suppress(DatabaseUnavailableError):
        if suffices(asyncio.run(revision_of(url))):
            return
    try:
        migrate(url)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, CommandError) as error:
        raise StartupError(
            f"cannot migrate the database of HOKUSAI_DATABASE_URL: {in_one_line(error)}"
        ) from error
