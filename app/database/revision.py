"""The revision of the database's schema, and whether this release can use it."""

import asyncio
from functools import cache
from pathlib import Path

from app.database.engine import FAILURES, UNUSABLE_URL, Database

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


@cache
def newest_revision() -> str:
    """The revision that this release needs: the number of the newest migration."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def is_sufficient(found: str | None) -> bool:
    """Whether this release can use a schema of revision `found`; None means never migrated.

    A later revision is sufficient too: a migration removes nothing that the previous release uses
    (docs/operations.md).
    """
    return found is not None and found.isdecimal() and int(found) >= int(newest_revision())


async def revision_of(url: str) -> str | None:
    """The schema's revision of the database at a URL; None if it was never migrated.

    Raises DatabaseUnavailableError.
    """
    database = Database(url, connections=1)
    try:
        return await database.revision()
    finally:
        await database.close()


def is_migrated(url: str) -> bool:
    """Whether the schema of the database at a URL is sufficient; False if it cannot be read.

    For commands only: it starts an event loop.
    """
    try:
        return is_sufficient(asyncio.run(revision_of(url)))
    except (*FAILURES, *UNUSABLE_URL):
        return False
