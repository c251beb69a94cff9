"""The limit on tenants that wallets create: each leaves a row and a workspace permanently."""

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rate_limits.counter import resolve
from app.access.rate_limits.limiter import CountedLimit
from app.access.tenants.models import Tenant
from app.access.tenants.names import is_wallet
from app.core.errors import TooManyWalletsError
from app.core.request.actor import Actor


class NewWallets:
    """Counts the wallets that use the gateway for the first time, by client address."""

    def __init__(self, limit: CountedLimit) -> None:
        self._limit = limit

    async def admit(self, session: AsyncSession, tenant: str, actor: Actor) -> None:
        """Count a wallet before its tenant is created; any other tenant passes.

        tenant: its name in the stored form. Raises TooManyWalletsError if the client's address has
        used up its limit.
        """
        # What has no client address is no request: the operator's command line.
        if actor.client is None or not is_wallet(tenant):
            return
        if await session.scalar(select(exists().where(Tenant.name == tenant))):
            return
        state = await resolve(self._limit.hit_address(actor.client))
        if not state.allowed:
            self._limit.refused += 1
            raise TooManyWalletsError(
                f"More than {state.limit} new wallets from this address in an hour. Use an "
                f"existing wallet, or try again in {state.reset_seconds} seconds.",
                retry_after=state.reset_seconds,
            )
