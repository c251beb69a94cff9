"""The declared limits, ready to count."""

import asyncio
import math

from slowapi.wrappers import Limit

from app.access.rate_limits.counter import Counter, counted
from app.access.rate_limits.policy import Policy
from app.core.client_address import failure_address
from app.core.request.context import RequestContext
from app.core.request.quota import Quota


class CountedLimit:
    """One declared limit and the counter behind it.

    window: its length in whole seconds. refused: how many requests it has turned away.
    """

    def __init__(self, limit: Limit, counter: Counter) -> None:
        # Taken apart once: slowapi and `limits` look each of these up anew.
        self.name: str = limit.scope
        self._key = limit.key_func
        self._amount: int = limit.limit.amount
        self.window: int = limit.limit.get_expiry()
        self._counter = counter
        self.refused = 0

    def ask(self, context: RequestContext, own: int | None = None) -> Quota | asyncio.Future[Quota]:
        """Count an exchange; `own` is a limit of the caller's own. See Counter.hit."""
        return self._counter.hit(
            f"{self.name}:{self._key(context)}", own or self._amount, self.window
        )

    async def hit(self, context: RequestContext, own: int | None = None) -> Quota:
        """Count an exchange and keep the result in it."""
        context.quota = await counted(self.ask(context, own))
        return context.quota

    async def hit_address(self, address: str) -> Quota:
        """Count something that a client address does apart from its requests' own limit."""
        return await counted(
            self._counter.hit(f"{self.name}:{failure_address(address)}", self._amount, self.window)
        )

    def refuse(self, quota: Quota) -> int:
        """Note that one is turned away: the whole seconds after which to try again."""
        self.refused += 1
        return wait(quota)


class Limiter:
    """The limits of the policy."""

    def __init__(self, policy: Policy, counter: Counter) -> None:
        self.principal = CountedLimit(policy.principal, counter)
        self.anonymous = CountedLimit(policy.anonymous, counter)
        self.failures = CountedLimit(policy.failures, counter)
        self.new_wallet_limit = CountedLimit(policy.new_wallet_limit, counter)
        self.limits = (self.principal, self.anonymous, self.failures, self.new_wallet_limit)


def wait(quota: Quota) -> int:
    """Whole seconds after which the window is over."""
    return math.ceil(quota.reset)
