"""Migrates the schema to the newest revision; `python -m app.database.migrate` is a command.

A module of its own, because Alembic is a tenth of a process's memory, and serving needs none of it.
"""

import sys

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.database.engine import in_one_line
from app.database.revision import MIGRATIONS, is_migrated


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
    if is_migrated(url):
        return
    try:
        migrate(url)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, CommandError) as error:
        raise StartupError(
            f"cannot migrate the database of HOKUSAI_DATABASE_URL: {in_one_line(error)}"
        ) from error


def main() -> None:
    """Migrate the database of the settings; a StartupError is one line on stderr, exit code 2."""
    try:
        migrate_database(load_settings())
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
