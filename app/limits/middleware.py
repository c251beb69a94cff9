"""The limits on the way of every request."""

import math

from slowapi.wrappers import Limit
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import RateLimitedError, TooManyFailuresError, UnauthenticatedError
from app.exchange import Exchange, exchange_of
from app.limits.counter import Counter, MemoryCounter
from app.limits.policy import Policy
from app.limits.window import Quota


class Limiter:
    """Counts exchanges against the policy, wherever the counts are kept."""

    def __init__(self, policy: Policy, counter: Counter) -> None:
        self.policy = policy
        self.counter = counter
        # In one process a hit needs no coroutine, and most requests need no await at all.
        self.hit_now = counter.hit_now if isinstance(counter, MemoryCounter) else None
        self.principal = _Plan(policy.principal)
        self.anonymous = _Plan(policy.anonymous)
        self.failures = _Plan(policy.failures)

    async def hit(self, plan: "_Plan", exchange: Exchange) -> Quota:
        key, limit = plan.of(exchange)
        if self.hit_now is not None:
            return self.hit_now(key, limit, plan.window)
        return await self.counter.hit(key, limit, plan.window)


class _Plan:
    """A declared limit, taken apart once."""

    def __init__(self, limit: Limit) -> None:
        self._key = limit.key_func
        self._scope = limit.scope
        self._amount: int = limit.limit.amount
        self.window: int = limit.limit.get_expiry()

    def of(self, exchange: Exchange) -> tuple[str, int]:
        """The counter's key, and how many it allows this caller."""
        own = exchange.principal.rate_limit if exchange.principal is not None else None
        return f"{self._scope}:{self._key(exchange)}", own or self._amount


class RateLimit:
    """One limit for each principal over everything it calls, one for each anonymous address."""

    def __init__(
        self, app: ASGIApp, limiter: Limiter, unlimited: frozenset[tuple[str, str]]
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        limiter = self.limiter
        if exchange.principal is None and (scope["method"], scope["path"]) in self.unlimited:
            await self.app(scope, receive, send)
            return
        plan = limiter.principal if exchange.principal is not None else limiter.anonymous
        quota = exchange.quota = await limiter.hit(plan, exchange)
        if not quota.allowed:
            wait = max(1, math.ceil(quota.reset))
            raise RateLimitedError(
                f"More than {quota.limit} requests in {plan.window} seconds. Try again in {wait} "
                "seconds.",
                retry_after=wait,
            )
        await self.app(scope, receive, send)


class FailureLimit:
    """A limit on failed authentication for each client address.

    It stands outside of identity and counts what fails there. A good credential is never refused
    for others' bad ones: it is verified first, and those are the only ones that are counted.
    """

    def __init__(self, app: ASGIApp, limiter: Limiter) -> None:
        self.app = app
        self.limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except UnauthenticatedError:
            exchange = exchange_of(scope)
            plan = self.limiter.failures
            quota = exchange.quota = await self.limiter.hit(plan, exchange)
            if quota.allowed:
                raise
            wait = max(1, math.ceil(quota.reset))
            raise TooManyFailuresError(
                f"More than {quota.limit} failed authentications from this address in "
                f"{plan.window} seconds. Try again in {wait} seconds with a valid one.",
                retry_after=wait,
            ) from None
