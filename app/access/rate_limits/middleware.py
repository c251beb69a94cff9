"""The limits on the way of every request."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.rate_limits.limiter import CountedLimit, Limiter
from app.core.errors import (
    AddressNotAllowedError,
    GatewayError,
    RateLimitedError,
    TooManyFailuresError,
    UnauthenticatedError,
)
from app.core.request.context import RequestContext, context_of
from app.core.request.quota import Quota


class RateLimit:
    """One limit for each principal over everything it calls, one for each anonymous address.

    unlimited: (method, path) pairs that anybody may call as often as they like.
    """

    def __init__(
        self, app: ASGIApp, limiter: Limiter, unlimited: frozenset[tuple[str, str]]
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.unlimited = unlimited

    def ask(self, context: RequestContext) -> Quota | asyncio.Future[Quota]:
        """Count a principal's request, for `admit`."""
        assert context.principal is not None
        return self.limiter.principal.ask(context, context.principal.rate_limit)

    def admit(self, context: RequestContext, quota: Quota) -> None:
        """Keep what came of it. Raises RateLimitedError where the limit was used up."""
        context.quota = quota
        self._admit(self.limiter.principal, quota)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        principal = context.principal
        if principal is not None:
            limit = self.limiter.principal
            quota = await limit.hit(context, principal.rate_limit)
        elif (scope["method"], scope["path"]) in self.unlimited:
            await self.app(scope, receive, send)
            return
        else:
            limit = self.limiter.anonymous
            quota = await limit.hit(context)
        self._admit(limit, quota)
        await self.app(scope, receive, send)

    def _admit(self, limit: CountedLimit, quota: Quota) -> None:
        if quota.allowed:
            return
        seconds = limit.refuse(quota)
        raise RateLimitedError(
            f"More than {quota.limit} requests in {limit.window} seconds. Try again in "
            f"{seconds} seconds.",
            retry_after=seconds,
        )


class FailureLimit:
    """A limit for each client address on requests that fail before it is known who sends them.

    It stands outside of identity. A good credential is never refused for others' bad ones: it is
    verified first, and only what fails is counted.

    failed: told the reason of each credential that was not good.
    """

    def __init__(
        self, app: ASGIApp, limiter: Limiter, failed: Callable[[str], None] = lambda _: None
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.conduct(self.app, scope, receive, send)

    async def conduct(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what answers the request, and count it if it fails before it is known who asks."""
        try:
            await app(scope, receive, send)
        except GatewayError as error:
            if isinstance(error, UnauthenticatedError | AddressNotAllowedError):
                self.failed(error.reason)
            context = context_of(scope)
            if context.quota is not None:
                raise  # counted already, on the principal or as an anonymous request
            limit = self.limiter.failures
            quota = await limit.hit(context)
            # A fault of ours stays one, so that a good credential is not told to wait for it.
            if quota.allowed or error.status >= 500:
                raise
            seconds = limit.refuse(quota)
            raise TooManyFailuresError(
                f"More than {quota.limit} failed authentications from this address in "
                f"{limit.window} seconds. Try again in {seconds} seconds with a valid one.",
                retry_after=seconds,
            ) from None
