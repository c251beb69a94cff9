"""Migrates the database in a child process before the gateway serves.

The child process takes the memory of what it imports with it. Alembic alone would be a tenth of
the serving process's memory for as long as that runs.
"""

import subprocess
import sys

from app.core.errors import StartupError
from app.core.settings import Settings
from app.database.revision import is_migrated

COMMAND = [sys.executable, "-m", "app.database.migrate"]


def migrate_in_child(settings: Settings) -> None:
    """Migrate the schema of HOKUSAI_DATABASE_URL, unless it is recent enough already.

    Raises StartupError, as `migrate_database` does. The child process reads the settings from the
    environment.
    """
    assert settings.database_url is not None
    if is_migrated(settings.database_url.get_secret_value()):
        return
    # Also where the database cannot be reached: the child process reports why.
    ended = subprocess.run(COMMAND, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        message = ended.stderr.strip().rpartition("error: ")[2]
        raise StartupError(message or f"the migration ended with exit code {ended.returncode}")
