"""The first key of a new database."""

from pathlib import Path

from sqlalchemy import func, select

from app.access.identity import keys
from app.access.identity.key_format import is_well_formed, new_key
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest
from app.control_plane.attestations import signing_key_history
from app.control_plane.attestations.signing_key import Attestor
from app.core.errors import StartupError
from app.core.request.actor import CLI
from app.core.request.principal import ALL_SCOPES, Scope
from app.core.settings import Settings
from app.database.engine import Database
from app.standalone.private_files import create_private

# The tenant of the first key: the operator's own experiments.
OPERATOR = "operator"
# Any number does, as long as all of our processes take the same.
BOOTSTRAP_LOCK = 4_815_162_343


async def ensure_admin_key(settings: Settings, path: Path) -> bool:
    """Make the first admin key and write it to `path` (mode 0600); whether one was made.

    The file is written before the database: a crash between the two leaves a file with a key that
    is not known yet, and the next start finishes the work with that same key.
    Raises StartupError where the peppers or the attestor are not those of this database, OSError
    where the file cannot be written.
    """
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), connections=1)
    try:
        peppers = Peppers.from_settings(settings)
        async with database.transaction() as session:
            # Replicas that start together make one key between them.
            await session.execute(select(func.pg_advisory_xact_lock(BOOTSTRAP_LOCK)))
            await peppers.check(session)
            await signing_key_history.check(
                session, Attestor.from_settings(settings), settings.retired_attestors
            )
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
    # With everything else given by settings, nobody has needed the data directory yet.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = create_private(path, new_key())
    if not is_well_formed(secret):
        raise StartupError(f"{path} holds something else than an API key: move it away")
    return secret
