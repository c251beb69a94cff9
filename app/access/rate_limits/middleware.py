"""ASGI middleware that enforces the rate limits on every request."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.rate_limits.counter import resolve
from app.access.rate_limits.failures import count_failure
from app.access.rate_limits.limiter import CountedLimit, Limiter
from app.core.errors import (
    AddressNotAllowedError,
    GatewayError,
    RateLimitedError,
    UnauthenticatedError,
)
from app.core.request.context import RequestContext, context_of
from app.core.request.limit_state import LimitState

# What helps a program that logs one metric after the other.
BATCHING = (
    "MLflow's client sends what it logs in batches, which needs far fewer requests, with "
    "MLFLOW_ENABLE_ASYNC_LOGGING=true and MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS=3."
)


class RateLimit:
    """One limit per principal over all its requests, and one per address over anonymous requests.

    Requests of wallets, and of the keys and tokens that a wallet has created, count on the client's
    address too, since anybody can create any number of wallets. A key that an admin has given a
    higher limit than that of the address has this limit there too.

    Requests of browser sessions have a limit of their own, so that browsing takes nothing from the
    programs of the same principal.

    It stands inside of `Identity`, which sets the principal.

    unlimited: pairs of method and path whose requests are not limited if they are anonymous, or of
        a session.
    files: beginnings of the paths of public files, which are not limited either.
    """

    def __init__(
        self,
        app: ASGIApp,
        limiter: Limiter,
        unlimited: frozenset[tuple[str, str]],
        files: tuple[str, ...] = (),
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.unlimited = unlimited
        self.files = files

    def hit(self, context: RequestContext) -> LimitState | asyncio.Future[LimitState]:
        """Count a principal's request; the caller passes the result to `admit`."""
        assert context.principal is not None
        if context.principal.address is None:
            return self.limiter.principal.hit(context, context.principal.rate_limit)
        # On the address first: a request that it refuses does not open a window for its wallet, of
        # which there can be any number.
        own_limit = max(self.limiter.wallets.amount, context.principal.rate_limit or 0)
        on_address = self.limiter.wallets.hit(context, own_limit)
        if not isinstance(on_address, LimitState):
            return asyncio.create_task(self._hit_remotely(context, on_address))
        if not on_address.allowed:
            return on_address._replace(shared=True)
        own = self.limiter.principal.hit(context, context.principal.rate_limit)
        assert isinstance(own, LimitState)  # of the same counter
        return _decisive(own, on_address)

    async def _hit_remotely(
        self, context: RequestContext, on_address: asyncio.Future[LimitState]
    ) -> LimitState:
        """The rest of `hit` for a wallet's request, where a counter outside has to be awaited."""
        assert context.principal is not None
        of_address = await on_address
        if not of_address.allowed:
            return of_address._replace(shared=True)
        own = self.limiter.principal.hit(context, context.principal.rate_limit)
        return _decisive(await resolve(own), of_address)

    def admit(self, context: RequestContext, state: LimitState) -> None:
        """Store the state of the limit on a request. Raises RateLimitedError if it is used up."""
        if state.shared:
            self._admit(
                self.limiter.wallets,
                context,
                state,
                what="requests of wallets from this address",
                advice="An API key that the operator has issued does not count here.",
            )
        else:
            self._admit(self.limiter.principal, context, state, advice=BATCHING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        if context.principal is not None:
            if context.principal.session is None:
                self.admit(context, await resolve(self.hit(context)))
            elif (scope["method"], scope["path"]) not in self.unlimited:
                await self._count_session(context, is_wallet=context.principal.address is not None)
        elif (scope["method"], scope["path"]) not in self.unlimited and not scope[
            "path"
        ].startswith(self.files):
            limit = self.limiter.anonymous
            self._admit(limit, context, await resolve(limit.hit(context)))
        await self.app(scope, receive, send)

    async def _count_session(self, context: RequestContext, *, is_wallet: bool) -> None:
        """Count a request of a session. Raises RateLimitedError if its limit is used up."""
        if is_wallet:
            on_address = await resolve(self.limiter.wallets.hit(context))
            if not on_address.allowed:
                self.admit(context, on_address._replace(shared=True))
        limit = self.limiter.sessions
        state = await resolve(limit.hit(context))
        self._admit(limit, context, state, what="requests of your browser sessions")

    def _admit(
        self,
        limit: CountedLimit,
        context: RequestContext,
        state: LimitState,
        *,
        what: str = "requests",
        advice: str = "",
    ) -> None:
        """what: what the limit counts. advice: a sentence that says what else helps."""
        context.limit_state = state
        if state.allowed:
            return
        limit.refused += 1
        raise RateLimitedError(
            f"More than {state.limit} {what} in {limit.window} seconds. Try again in "
            f"{state.reset_seconds} seconds. {advice}".rstrip(),
            retry_after=state.reset_seconds,
        )


def _decisive(own: LimitState, on_address: LimitState) -> LimitState:
    """Of the two limits that a wallet's request was counted on, the one that ends first."""
    if own.allowed and on_address.remaining < own.remaining:
        return on_address._replace(shared=True)
    return own


class FailureLimit:
    """A limit per client address on requests that fail authentication.

    It stands outside of `Identity`, and counts a request only after it has failed. So a valid
    credential is never refused because of other requests from its address.

    on_failure: called with the reason of each authentication failure.
    """

    def __init__(
        self, app: ASGIApp, limiter: Limiter, on_failure: Callable[[str], None] = lambda _: None
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.on_failure = on_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.run(self.app, scope, receive, send)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Call an ASGI application, and count the request if it fails before `RateLimit`.

        Raises TooManyFailuresError in place of the failure if the limit is used up.
        """
        try:
            await app(scope, receive, send)
        except GatewayError as error:
            if isinstance(error, UnauthenticatedError | AddressNotAllowedError):
                self.on_failure(error.reason)
            context = context_of(scope)
            if context.limit_state is not None:
                raise  # `RateLimit` has counted it, for the principal or as an anonymous request
            await count_failure(self.limiter.failures, context, error)
            raise
