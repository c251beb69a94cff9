"""What a caller has left."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.access.rate_limits.limiter import Limiter, wait
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.rest.dependencies import Caller

router = APIRouter(prefix="/api", tags=["limits"])


class LimitsView(BaseModel):
    """The caller's limit and what is left of it. This request counted as well."""

    limit: int = Field(description="Requests in a window.", examples=[100])
    remaining: int = Field(description="Requests left in this window.", examples=[97])
    reset: int = Field(description="Seconds until the window ends.", examples=[42])
    window: int = Field(description="Length of a window in seconds.", examples=[60])


@router.get("/limits")
async def limits(request: Request, _: Caller) -> LimitsView:
    """What is left of the caller's limit; the RateLimit-* headers of every answer say the same."""
    limiter = state_of(request)[Limiter]
    quota = context_of(request.scope).quota
    assert quota is not None  # the limit stands before every endpoint
    return LimitsView(
        limit=quota.limit,
        remaining=quota.remaining,
        reset=wait(quota),
        window=limiter.principal.window,
    )
