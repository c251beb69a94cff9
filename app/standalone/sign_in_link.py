"""Makes links that sign the owner of the first admin key in, on the gateway's own machine."""

import asyncio
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.sessions import links
from app.core.errors import NotFoundError
from app.core.request.actor import CLI
from app.core.settings import Settings
from app.database.engine import Database


def link_url(gateway: str, secret: str) -> str:
    """The link. gateway: its URL without a path.

    The secret is in the fragment, which browsers do not send, so that no log has it.
    """
    return f"{gateway}/login#link={secret}"


def make_link(settings: Settings, key_file: Path) -> str | None:
    """The secret of a link for the key in a file; None where there is no such key."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()

    async def make() -> str:
        database = Database(url, connections=1)
        try:
            async with database.transaction() as session:
                return await new_link(session, Peppers.from_settings(settings), key)
        finally:
            await database.close()

    try:
        key = key_file.read_text().strip()
        return asyncio.run(make())
    except (OSError, NotFoundError):
        return None


async def new_link(session: AsyncSession, peppers: Peppers, text: str) -> str:
    """The secret of a link for a key. Raises NotFoundError where the database does not have it."""
    digests = [peppers.digest(text), *peppers.earlier_digests(text)]
    key = await session.scalar(
        select(APIKey).where(APIKey.digest.in_(digests), APIKey.revoked_at.is_(None))
    )
    if key is None:
        raise NotFoundError("The database does not have this key, or it was revoked.")
    return await links.create(session, peppers, key, CLI)
