"""Creates the first admin key of a new database."""

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

# The tenant of the first admin key, for the operator's own experiments.
OPERATOR = "operator"
# The number of the advisory lock: arbitrary, but the same in every process.
ADMIN_KEY_LOCK = 4_815_162_343


async def ensure_admin_key(settings: Settings, path: Path, rate_limit: int | None = None) -> bool:
    """Create an admin key and write it to `path` (mode 0600), unless the database has one.

    rate_limit: requests per window; None for the default.
    Returns whether it created one. The file is written before the database, so a crash in between
    leaves a file with a key that is not valid yet, and the next start continues with that key.
    Raises StartupError where the peppers or the attestor key are not those of this database, and
    OSError where the file cannot be written.
    """
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), connections=1)
    try:
        peppers = Peppers.from_settings(settings)
        async with database.transaction() as session:
            # Of several replicas that start at the same time, one creates the key.
            await session.execute(select(func.pg_advisory_xact_lock(ADMIN_KEY_LOCK)))
            await peppers.verify_and_record(session)
            await signing_key_history.register_attestor(
                session, Attestor.from_settings(settings), settings.retired_attestors
            )
            admins = select(APIKey.id).where(APIKey.scopes.contains([Scope.ADMIN.value]))
            if await session.scalar(admins.limit(1)):
                return False
            secret = _ensure_key_file(path)
            request = AdminKeyRequest(
                name="first admin key",
                tenant=OPERATOR,
                scopes=[scope for scope in Scope if scope in ALL_SCOPES],
                expires_in_days=None,
                rate_limit=rate_limit,
            )
            await keys.issue(session, peppers, request, CLI, secret=secret)
            return True
    finally:
        await database.close()


async def limit_of_key(settings: Settings, secret: str) -> int | None:
    """How many requests per window a key may send; None if the database does not have the key."""
    assert settings.database_url is not None
    peppers = Peppers.from_settings(settings)
    digests = [peppers.digest(secret), *peppers.earlier_digests(secret)]
    database = Database(settings.database_url.get_secret_value(), connections=1)
    try:
        async with database.transaction() as session:
            key = await session.scalar(select(APIKey).where(APIKey.digest.in_(digests)))
    finally:
        await database.close()
    return None if key is None else key.rate_limit or settings.rate_limit


def _ensure_key_file(path: Path) -> str:
    """The key in the file; a new one is written to it first if the file does not exist."""
    # Where the settings give everything else, the data directory has not been created yet.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = create_private(path, new_key())
    if not is_well_formed(secret):
        raise StartupError(f"{path} does not contain an API key: move the file away")
    return secret
