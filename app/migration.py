"""The migration as the commands run it: what keeps it from its work becomes one line."""

import asyncpg
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from app.database import migrate
from app.errors import StartupError
from app.settings import Settings


def migrate_database(settings: Settings) -> None:
    """Bring the schema of HOKUSAI_DATABASE_URL up to date.

    Raises StartupError without a URL, where the database cannot be reached or refuses, and where
    its schema is newer than this program.
    """
    if settings.database_url is None:
        raise StartupError("HOKUSAI_DATABASE_URL is not set: it says which database to migrate")
    url = settings.database_url.get_secret_value()
    try:
        migrate(url)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, CommandError) as error:
        raise StartupError(
            f"cannot migrate the database of HOKUSAI_DATABASE_URL: {in_one_line(error)}"
        ) from error


def in_one_line(error: BaseException) -> str:
    """What is wrong, as the driver says it; SQLAlchemy's own text repeats the statement."""
    cause = getattr(error, "orig", None) or error
    words = str(cause).strip().splitlines() or [type(cause).__name__]
    return words[0]
