"""The migration before a server starts, in a process of its own.

What it loads is given back at its end: the server would keep it for as long as it runs, and Alembic
alone is a tenth of its memory.
"""

import asyncio
import subprocess
import sys

from app.database import Database, newest_revision
from app.errors import DatabaseUnavailableError, StartupError
from app.settings import Settings

COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "migrate"]


def migrate_apart(settings: Settings) -> None:
    """Bring the schema of HOKUSAI_DATABASE_URL up to date, if it is not.

    Raises StartupError, as `migrate_database` does. The settings reach the process by the
    environment.
    """
    if asyncio.run(_revision(settings)) == newest_revision():
        return
    ended = subprocess.run(COMMAND, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        said = ended.stderr.strip().rpartition("error: ")[2]
        raise StartupError(said or f"the migration ended with exit code {ended.returncode}")


async def _revision(settings: Settings) -> str | None:
    """The schema's revision; None where it cannot be told, which the migration then explains."""
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), connections=1)
    try:
        return await database.revision()
    except DatabaseUnavailableError:
        return None
    finally:
        await database.close()
