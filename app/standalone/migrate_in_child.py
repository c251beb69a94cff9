"""The migration before a server starts, in a process of its own.

What it loads is given back at its end: the server would keep it for as long as it runs, and Alembic
alone is a tenth of its memory.
"""

import asyncio
import subprocess
import sys
from contextlib import suppress

from app.core.errors import DatabaseUnavailableError, StartupError
from app.core.settings import Settings
from app.database.engine import revision_of, suffices

COMMAND = [sys.executable, "-c", "from app.cli.main import main; main()", "migrate"]


def migrate_apart(settings: Settings) -> None:
    """Bring the schema of HOKUSAI_DATABASE_URL up to date, if it is not.

    Raises StartupError, as `migrate_database` does. The settings reach the process by the
    environment.
    """
    assert settings.database_url is not None
    # Where the database does not answer, the migration explains it.
    with suppress(DatabaseUnavailableError):
        if suffices(asyncio.run(revision_of(settings.database_url.get_secret_value()))):
            return
    ended = subprocess.run(COMMAND, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        said = ended.stderr.strip().rpartition("error: ")[2]
        raise StartupError(said or f"the migration ended with exit code {ended.returncode}")
