"""Counts failed authentications by client address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.access.rate_limits.counter import resolve
from app.access.rate_limits.limiter import CountedLimit
from app.core.errors import (
    AddressNotAllowedError,
    GatewayError,
    TooManyFailuresError,
    UnauthenticatedError,
)
from app.core.request.context import RequestContext


async def count_failure(limit: CountedLimit, context: RequestContext, error: GatewayError) -> None:
    """Count a request that failed with an error.

    Raises TooManyFailuresError in place of the error if the limit is used up.
    """
    context.limit_state = state = await resolve(limit.hit(context))
    # An internal error is reported as such: it says nothing about the credential.
    if state.allowed or error.status >= 500:
        return
    limit.refused += 1
    raise TooManyFailuresError(
        f"More than {state.limit} failed authentications from this address in {limit.window} "
        f"seconds. Try again in {state.reset_seconds} seconds with a valid credential.",
        retry_after=state.reset_seconds,
    ) from None


@asynccontextmanager
async def counted_failures(limit: CountedLimit, context: RequestContext) -> AsyncIterator[None]:
    """Count the request if the block fails because of a credential that is in its body."""
    try:
        yield
    except (UnauthenticatedError, AddressNotAllowedError) as error:
        await count_failure(limit, context, error)
        raise
