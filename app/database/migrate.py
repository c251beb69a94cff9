"""Migrates the database's schema to the newest revision; also `python -m app.database.migrate`.

A module of its own because Alembic takes a tenth of a process's memory, and serving does not need
it.
"""

import sys

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.database.engine import (
    FAILURES,
    NOT_PERMITTED,
    UNUSABLE_URL,
    database_address,
    driver_message,
    sqlstate,
)
from app.database.privileges import missing_privilege
from app.database.revision import MIGRATIONS, is_migrated


def alembic_config(url: str | None = None) -> Config:
    """Alembic's configuration for migrations/, with the database's URL in `attributes`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Upgrade the schema to the newest revision. Concurrent calls run one after the other."""
    command.upgrade(alembic_config(url), "head")


def migrate_database(settings: Settings) -> None:
    """Upgrade the schema of HOKUSAI_DATABASE_URL; a schema of a later release is left unchanged.

    Raises StartupError if the URL is not set, if the database cannot be reached or refuses the
    migration, and if its schema is not one of this application.
    """
    if settings.database_url is None:
        raise StartupError("HOKUSAI_DATABASE_URL is not set: set it to the database to migrate")
    url = settings.database_url.get_secret_value()
    if is_migrated(url):
        return
    try:
        migrate(url)
    except (*FAILURES, *UNUSABLE_URL, CommandError) as error:
        message = driver_message(error)
        if sqlstate(error) == NOT_PERMITTED:
            message += f"; {missing_privilege(database_address(url).username or '?')}"
        raise StartupError(
            f"cannot migrate the database of HOKUSAI_DATABASE_URL: {message}"
        ) from error


def main() -> None:
    """Migrate the configured database. A StartupError is printed to stderr, with exit code 2."""
    try:
        migrate_database(load_settings())
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
