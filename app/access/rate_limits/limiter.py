"""The limits of the policy, each with the counter that enforces it."""

import asyncio

from slowapi.wrappers import Limit

from app.access.rate_limits.counter import Counter
from app.access.rate_limits.policy import Policy
from app.core.client_address import client_network
from app.core.request.context import RequestContext
from app.core.request.limit_state import LimitState


class CountedLimit:
    """One limit of the policy and the counter that it is counted on.

    amount: the number of requests allowed per window. window: its length in whole seconds.
    refused: the number of requests refused because of this limit, for the metrics.
    """

    def __init__(self, limit: Limit, counter: Counter) -> None:
        # Read once, because slowapi and `limits` compute each of these on every access.
        self.name: str = limit.scope
        self._key = limit.key_func
        self.amount: int = limit.limit.amount
        self.window: int = limit.limit.get_expiry()
        self._counter = counter
        self.refused = 0

    def hit(
        self, context: RequestContext, own_limit: int | None = None
    ) -> LimitState | asyncio.Future[LimitState]:
        """Count a request: see `Counter.hit`. own_limit: replaces the amount of the policy."""
        return self._hit(self._key(context), own_limit or self.amount)

    def hit_address(self, address: str, kind: str = "") -> LimitState | asyncio.Future[LimitState]:
        """Count an event on a client address, without a request's context: see `Counter.hit`.

        kind: events of another kind have a separate count.
        """
        return self._hit(kind + client_network(address), self.amount)

    def _hit(self, key: str, amount: int) -> LimitState | asyncio.Future[LimitState]:
        return self._counter.hit(f"{self.name}:{key}", amount, self.window)


class Limiter:
    """All limits of the policy, on one counter."""

    def __init__(self, policy: Policy, counter: Counter) -> None:
        self.principal = CountedLimit(policy.principal, counter)
        self.sessions = CountedLimit(policy.sessions, counter)
        self.wallets = CountedLimit(policy.wallets, counter)
        self.anonymous = CountedLimit(policy.anonymous, counter)
        self.failures = CountedLimit(policy.failures, counter)
        self.new_wallet_limit = CountedLimit(policy.new_wallet_limit, counter)
        self.creations = CountedLimit(policy.creations, counter)
        self.limits = (
            self.principal,
            self.sessions,
            self.wallets,
            self.anonymous,
            self.failures,
            self.new_wallet_limit,
            self.creations,
        )
