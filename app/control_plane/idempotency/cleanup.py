"""Removes responses that no repetition of a request gets any more."""

from datetime import timedelta

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.idempotency.models import IdempotentRequest
from app.database.engine import now

# The most rows that one run removes, so that no transaction takes long.
MAX_REMOVED = 10_000


class IdempotencyCleanup:
    """Removes requests that were done some days ago. Those in progress stay.

    days: the setting HOKUSAI_IDEMPOTENCY_DAYS.
    """

    def __init__(self, days: int) -> None:
        self._lifetime = timedelta(days=days)

    async def __call__(self, session: AsyncSession) -> None:
        identity = (IdempotentRequest.principal, IdempotentRequest.key)
        done = (
            select(*identity)
            .where(
                IdempotentRequest.created_at < now() - self._lifetime,
                IdempotentRequest.status.is_not(None),
            )
            .limit(MAX_REMOVED)
            .with_for_update(skip_locked=True)
        )
        await session.execute(delete(IdempotentRequest).where(tuple_(*identity).in_(done)))
