"""The endpoint that shows the caller's rate limit."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.access.rate_limits.limiter import Limiter
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.rest.dependencies import Caller

router = APIRouter(prefix="/api", tags=["limits"])


class LimitsView(BaseModel):
    """The caller's rate limit and how much of it is left. This request is counted too."""

    limit: int = Field(description="Requests allowed per window.", examples=[100])
    remaining: int = Field(description="Requests left in this window.", examples=[97])
    reset: int = Field(description="Seconds until the window ends.", examples=[42])
    window: int = Field(description="Length of the window in seconds.", examples=[60])


@router.get("/limits")
async def limits(request: Request, _: Caller) -> LimitsView:
    """Show the caller's rate limit; the RateLimit-* headers of every response say the same."""
    limiter = state_of(request)[Limiter]
    quota = context_of(request.scope).quota
    assert quota is not None  # set by the middleware RateLimit for every principal
    return LimitsView(
        limit=quota.limit,
        remaining=quota.remaining,
        reset=quota.reset_seconds,
        window=limiter.principal.window,
    )
