"""Quotas: how much a tenant may keep, and how fast wallets may add to it from one address."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.quotas import usage
from app.access.quotas.models import QuotaKind
from app.access.quotas.schemas import QuotaView
from app.access.rate_limits.counter import resolve
from app.access.rate_limits.limiter import CountedLimit
from app.core.errors import QuotaExceededError, TooManyCreationsError
from app.core.request.actor import Actor
from app.core.settings import Settings

_NAMES = {
    QuotaKind.KEYS: "API keys, including those that ended a while ago",
    QuotaKind.TOKENS: "access tokens that have not expired",
    QuotaKind.MODELS: "registered models",
    QuotaKind.CONTRIBUTIONS: "contributions to registered models",
    QuotaKind.ATTESTATIONS: "attestations",
    QuotaKind.APPROVALS: "approvals of mints, including the withdrawn ones",
    QuotaKind.BENCHMARKS: "benchmarks",
    QuotaKind.PREDICTIONS: "commitments to predictions",
}
_ADVICE = {
    QuotaKind.TOKENS: "Use one token until it expires, or revoke all with DELETE "
    "/api/auth/tokens. ",
}


class Quotas:
    """Applies the quotas of the settings; one for the process.

    creations: limits what wallets create per client address; None for no limit.
    """

    def __init__(self, settings: Settings, creations: CountedLimit | None = None) -> None:
        self._creations = creations
        self._defaults = {
            QuotaKind.KEYS: settings.key_quota,
            QuotaKind.TOKENS: settings.token_quota,
            QuotaKind.MODELS: settings.model_quota,
            QuotaKind.CONTRIBUTIONS: settings.contribution_quota,
            QuotaKind.ATTESTATIONS: settings.attestation_quota,
            QuotaKind.APPROVALS: settings.approval_quota,
            QuotaKind.BENCHMARKS: settings.benchmark_quota,
            QuotaKind.PREDICTIONS: settings.prediction_quota,
        }

    async def reserve(
        self, session: AsyncSession, actor: Actor, tenant: str, amounts: Mapping[QuotaKind, int]
    ) -> None:
        """Count what the transaction is going to write for a tenant.

        amounts: the number of rows by kind. For a wallet, they count on the client's address too,
        once for each kind. Raises QuotaExceededError and TooManyCreationsError, after which the
        transaction must not be committed.
        """
        for kind, amount in amounts.items():
            if amount:
                await self.count_creation(actor, kind)
                used, own_quota = await usage.add(session, tenant, kind, amount)
                quota = self._defaults[kind] if own_quota is None else own_quota
                if used > quota:
                    raise _exceeded(tenant, kind, quota, used - amount)

    async def reserve_each(
        self, session: AsyncSession, kind: QuotaKind, tenants: Sequence[str]
    ) -> list[QuotaExceededError | None]:
        """Count one row for each tenant that is named; one may be named several times.

        Returns for each the error where its quota is used up, after which the row must not be
        written. What wallets create is counted by `count_creation`, before the transaction.
        """
        counted = await usage.add_all(session, kind, Counter(tenants))
        left: dict[str, tuple[int, int]] = {}
        excess: Counter[str] = Counter()
        for tenant, amount in Counter(tenants).items():
            used, own_quota = counted[tenant]
            quota = self._defaults[kind] if own_quota is None else own_quota
            left[tenant] = (quota, used - amount)
        errors: list[QuotaExceededError | None] = []
        for tenant in tenants:
            quota, used = left[tenant]
            if used < quota:
                left[tenant] = (quota, used + 1)
                errors.append(None)
            else:
                excess[tenant] += 1
                errors.append(_exceeded(tenant, kind, quota, used))
        await self.release(session, kind, excess)
        return errors

    async def release(
        self, session: AsyncSession, kind: QuotaKind, amounts: Mapping[str, int]
    ) -> None:
        """Take back what was counted for rows that are not written. amounts: by tenant."""
        await usage.remove(session, kind, amounts)

    async def count_creation(self, actor: Actor, kind: QuotaKind) -> None:
        """Count what a wallet is going to create on the client's address.

        A wallet is free, so that a quota for each of them alone would bound nothing. Raises
        TooManyCreationsError.
        """
        if (
            self._creations is None
            or actor.client is None
            or not actor.principal.startswith("wallet:")
        ):
            return
        state = await resolve(self._creations.hit_address(actor.client, kind.value))
        if not state.allowed:
            self._creations.refused += 1
            raise TooManyCreationsError(
                f"Wallets at this address have created more than {state.limit} {kind.value} in an "
                f"hour. Try again in {state.reset_seconds} seconds. An API key that the operator "
                "has issued does not count here.",
                retry_after=state.reset_seconds,
            )

    async def views(self, session: AsyncSession, tenant: str) -> list[QuotaView]:
        """What a tenant has and may have of each kind."""
        rows = await usage.of_tenant(session, tenant)
        views = []
        for kind in QuotaKind:
            row = rows.get(kind.value)
            own_quota = row.quota if row else None
            views.append(
                QuotaView(
                    kind=kind,
                    used=row.used if row else 0,
                    quota=self._defaults[kind] if own_quota is None else own_quota,
                    is_default=own_quota is None,
                )
            )
        return views

    async def change(
        self,
        session: AsyncSession,
        actor: Actor,
        tenant: str,
        quotas: Mapping[QuotaKind, int | None],
    ) -> list[QuotaView]:
        """Set quotas of a tenant; None for the default. Returns all of them.

        A quota below what the tenant has removes nothing; the tenant can add nothing more.
        """
        before = {view.kind: view for view in await self.views(session, tenant)}
        for kind, quota in quotas.items():
            await usage.set_quota(session, tenant, kind, quota)
        record(
            session,
            actor,
            "tenant.quotas_changed",
            tenant,
            tenant,
            quotas={kind.value: quota for kind, quota in quotas.items()},
            before={kind.value: before[kind].quota for kind in quotas},
        )
        return await self.views(session, tenant)


def _exceeded(tenant: str, kind: QuotaKind, quota: int, used: int) -> QuotaExceededError:
    return QuotaExceededError(
        f"The tenant {tenant} may have {quota} {_NAMES[kind]}, and has {used}. "
        f"{_ADVICE.get(kind, '')}An admin can raise its quota of {kind.value}; GET /api/limits "
        "shows all quotas.",
        extra={"quota": kind.value, "limit": quota, "used": used},
    )
