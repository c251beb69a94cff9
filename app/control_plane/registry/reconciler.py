"""The reconciler: finishes registrations whose process died or failed."""

import asyncio
import secrets
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.idempotency import service as idempotency
from app.control_plane.idempotency.service import RequestIdentity
from app.control_plane.registry import registration_store as store
from app.control_plane.registry.model_versions import MAX_AGE
from app.control_plane.registry.models import Registration
from app.control_plane.registry.plan import Plan
from app.control_plane.registry.registration import Registrations
from app.core.errors import GatewayError, UnavailableError, UpstreamUnreachableError
from app.database.engine import Database, now

log = structlog.get_logger()

# Seconds between two searches for registrations; fewer where the lease is short.
INTERVAL = 15.0
# After as many internal errors with one registration it is given up.
MAX_FAILURES = 5


def _is_due() -> ColumnElement[bool]:
    """SQL: whether a registration's lease has expired, or its time to be settled has come."""
    has_expired = idempotency.lease_has_expired(Registration.principal, Registration.key)
    return or_(Registration.settle_at < now(), Registration.settle_at.is_(None) & has_expired)


async def backlog(session: AsyncSession) -> tuple[int, float]:
    """How many registrations wait for a reconciler, and the age of the oldest, in seconds."""
    query = select(func.count(), func.min(Registration.created_at)).where(_is_due())
    count, oldest = (await session.execute(query)).one()
    return count, (now() - oldest).total_seconds() if oldest is not None else 0.0


class Reconciler:
    """Resumes registrations whose lease has expired. Any number of gateways may run one.

    lease: in seconds, as `Registrations` has it.
    """

    def __init__(self, database: Database, registrations: Registrations, lease: float) -> None:
        self._database = database
        self._registrations = registrations
        self._lease = lease

    async def run(self) -> None:
        """Search periodically until cancelled."""
        while True:
            await asyncio.sleep(min(INTERVAL, self._lease / 4))
            try:
                while await self.run_once():
                    pass
            except GatewayError as error:
                log.warning("reconciler.postponed", reason=error.reason)
            except Exception:
                # A registration that always fails must not keep all others waiting.
                log.exception("reconciler.failed")

    async def run_once(self) -> bool:
        """Resume or settle the oldest registration that is due; False if there is none.

        Raises what the registration fails with; it is due again only after a pause, unless it was
        given up.
        """
        async with self._database.transaction() as session:
            registration = await session.scalar(
                select(Registration)
                .where(_is_due())
                .order_by(Registration.created_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if registration is None:
                return False
            if registration.settle_at is not None:
                registration.settle_at = now() + timedelta(seconds=self._lease)
                holder = None
            else:
                holder = secrets.token_hex(8)
                identity = RequestIdentity(registration.principal, registration.key, "")
                if not await idempotency.take_over(session, identity, holder, self._lease):
                    return True
                registration.in_doubt = True
        plan = Plan.model_validate(registration.plan)
        identity = RequestIdentity(registration.principal, registration.key, "")
        try:
            if holder is None:
                await self._registrations.settle(registration)
            else:
                log.info("registration.resumed", operation=plan.operation, model_id=plan.model_id)
                await self._registrations.resume(identity, holder, plan)
        except Exception as error:
            failure = await self._lasting_failure(registration, plan, error)
            if failure is None:
                raise
            await self._registrations.give_up(identity, holder, plan, failure)
            log.exception("registration.given_up", operation=plan.operation, failure=failure)
        return True

    async def _lasting_failure(
        self, registration: Registration, plan: Plan, error: Exception
    ) -> str | None:
        """What to say of an error after which it makes no sense to try again; None otherwise."""
        if isinstance(error, GatewayError):
            # A refusal has ended the registration. What is away comes back.
            is_passing = error.status < 500 or isinstance(
                error, UnavailableError | UpstreamUnreachableError
            )
            is_old = registration.created_at < now() - MAX_AGE
            return error.message if is_old and not is_passing else None
        async with self._database.transaction() as session:
            failures = await store.count_failure(session, plan)
        if failures < MAX_FAILURES:
            return None
        return f"An internal error of the gateway ({type(error).__name__})."
