"""Makes sign-in links without a request, as `serve` does."""

from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.sessions import links
from app.core.request.actor import CLI
from app.database.engine import Database
from tests.support.gateway import RunningGateway


async def link_of(gateway: RunningGateway, key_id: str) -> str:
    """The secret of a new link for the owner of a key."""
    assert gateway.settings.database_url is not None
    database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
    try:
        async with database.transaction() as transaction:
            peppers = Peppers.from_settings(gateway.settings)
            key = await transaction.get_one(APIKey, key_id)
            return await links.create(transaction, peppers, key, CLI)
    finally:
        await database.close()
