"""The first key of a new database."""

import os
from pathlib import Path

from sqlalchemy import select

from app.audit.service import CLI
from app.database import Database
from app.identity import keys
from app.identity.api_key import is_well_formed, new_key
from app.identity.models import APIKey
from app.identity.peppers import Peppers
from app.identity.principal import ALL_SCOPES, Scope
from app.identity.schemas import AdminKeyRequest
from app.settings import Settings

# The tenant of the first key: the operator's own experiments.
OPERATOR = "operator"


async def ensure_admin_key(settings: Settings, path: Path) -> bool:
    """Make the first admin key and write it to `path` (mode 0600); whether one was made.

    The file is written before the database: a crash between the two leaves a file with a key that
    is not known yet, and the next start finishes the work with that same key.
    Raises StartupError where the peppers are not the ones of this database.
    """
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), connections=1)
    try:
        peppers = Peppers.from_settings(settings)
        async with database.transaction() as session:
            await peppers.check(session)
            admins = select(APIKey.id).where(APIKey.scopes.contains([Scope.ADMIN.value]))
            if await session.scalar(admins.limit(1)):
                return False
            secret = _written_key(path)
            request = AdminKeyRequest(
                name="first admin key",
                tenant=OPERATOR,
                scopes=[scope for scope in Scope if scope in ALL_SCOPES],
                expires_in_days=None,
            )
            await keys.issue(session, peppers, request, CLI, secret=secret)
            return True
    finally:
        await database.close()


def _written_key(path: Path) -> str:
    """The key in the file, or a new one that is then safely in it."""
    if path.exists():
        found = path.read_text().strip()
        if is_well_formed(found):
            return found
    secret = new_key()
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return secret
