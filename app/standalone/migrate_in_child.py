"""The migration before a server starts, in a process of its own.

What it loads is given back at its end: the server would keep it for as long as it runs, and Alembic
alone is a tenth of its memory.
"""

import subprocess
import sys

from app.core.errors import StartupError
from app.core.settings import Settings
from app.database.revision import is_migrated

COMMAND = [sys.executable, "-m", "app.database.migrate"]


def migrate_apart(settings: Settings) -> None:
    """Bring the schema of HOKUSAI_DATABASE_URL up to date, if it is not.

    Raises StartupError, as `migrate_database` does. The settings reach the process by the
    environment.
    """
    assert settings.database_url is not None
    if is_migrated(settings.database_url.get_secret_value()):
        return
    # It also explains why a database cannot be reached.
    ended = subprocess.run(COMMAND, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        said = ended.stderr.strip().rpartition("error: ")[2]
        raise StartupError(said or f"the migration ended with exit code {ended.returncode}")
