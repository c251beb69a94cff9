"""Migrates the database's schema to the newest revision; also `python -m app.database.migrate`.

A module of its own because Alembic takes a tenth of a process's memory, and serving does not need
it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
from app.database.privileges import grant, missing_privilege
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

    With HOKUSAI_MIGRATION_DATABASE_URL its role migrates, and grants to the role that serves what
    that needs, also if the schema is up to date. Raises StartupError if no URL is set, if the
    database cannot be reached or refuses the migration, and if its schema is not one of this
    application.
    """
    if settings.database_url is None:
        raise StartupError("HOKUSAI_DATABASE_URL is not set: set it to the database to migrate")
    url = settings.database_url.get_secret_value()
    owner = settings.migration_database_url
    if owner is None:
        _upgrade(url, "HOKUSAI_DATABASE_URL")
        return
    role = database_address(url).username
    if role is None:
        raise StartupError(
            "HOKUSAI_DATABASE_URL names no role: write postgresql://role:…@host/name"
        )
    owner_url = owner.get_secret_value()
    _upgrade(owner_url, "HOKUSAI_MIGRATION_DATABASE_URL")
    if database_address(owner_url).username == role:
        return
    with _startup_errors(owner_url, "HOKUSAI_MIGRATION_DATABASE_URL"):
        grant(owner_url, role)


def _upgrade(url: str, setting: str) -> None:
    if not is_migrated(url):
        with _startup_errors(url, setting):
            migrate(url)


@contextmanager
def _startup_errors(url: str, setting: str) -> Iterator[None]:
    """Raise StartupError for what the database of a setting refuses."""
    try:
        yield
    except (*FAILURES, *UNUSABLE_URL, CommandError) as error:
        message = driver_message(error)
        if sqlstate(error) == NOT_PERMITTED:
            message += f"; {missing_privilege(database_address(url).username or '?')}"
        raise StartupError(f"cannot migrate the database of {setting}: {message}") from error


def main() -> None:
    """Migrate the configured database. A StartupError is printed to stderr, with exit code 2."""
    try:
        migrate_database(load_settings())
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
