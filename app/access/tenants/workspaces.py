"""The MLflow workspace of each tenant, made on first use."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog
from sqlalchemy import update

from app.access.rate_limits.limiter import CountedLimit
from app.access.tenants import service
from app.access.tenants.models import Tenant
from app.access.tenants.names import is_wallet
from app.core.errors import TooManyWalletsError, UnavailableError, UpstreamError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import Database
from app.mlflow.client import MLflowClient

log = structlog.get_logger()

Tenancy = Literal["workspaces", "shared"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a tenant's data is.

    name: the value of X-MLFLOW-WORKSPACE, None where MLflow is shared.
    default_experiment: the id that stands behind experiment id `0`.
    """

    name: str | None
    default_experiment: str


SHARED = Workspace(name=None, default_experiment="0")


class Workspaces:
    """A worker's view of the tenants' workspaces."""

    def __init__(
        self,
        database: Database,
        mlflow: MLflowClient,
        tenancy: Tenancy,
        new_wallet_limit: CountedLimit | None = None,
    ) -> None:
        """new_wallet_limit: how many an address may bring; as many as they like without it."""
        self._database = database
        self._mlflow = mlflow
        self._shared = tenancy == "shared"
        self._new_wallets = new_wallet_limit
        self._known: dict[str, Workspace] = {}
        self._making: dict[str, asyncio.Task[Workspace]] = {}
        self._checked = False

    def known(self, tenant: str) -> Workspace | None:
        """The tenant's workspace, if this worker has met it before."""
        return SHARED if self._shared else self._known.get(tenant)

    async def of(self, principal: Principal, actor: Actor | None = None) -> Workspace:
        """The workspace of a principal's tenant, made now on its first use.

        Any number of workers may race: each step is idempotent, and the last one only writes down
        what the others found too. Within one, all of a tenant's first requests wait for the first
        of them, so that a crowd takes no more of the database and MLflow. Raises as `prepare` does.
        """
        tenant = principal.tenant
        found = self.known(tenant)
        if found is not None:
            return found
        making = self._making.get(tenant)
        if making is None:
            making = asyncio.create_task(self.prepare(tenant, actor or Actor(principal.id)))
            self._making[tenant] = making
            making.add_done_callback(partial(self._made, tenant))
        # Whoever came first may leave; the others go on waiting for the same.
        return await asyncio.shield(making)

    def _made(self, tenant: str, making: "asyncio.Task[Workspace]") -> None:
        del self._making[tenant]
        if not making.cancelled():
            making.exception()  # looked at, also where nobody waits for it any more

    async def prepare(
        self, tenant_name: str, actor: Actor, *, unlimited: bool = False
    ) -> Workspace:
        """Make the workspace of a tenant, and the tenant itself if it is not known yet.

        unlimited: for an admin, who may make as many as there are to make. Raises UpstreamError,
        DatabaseUnavailableError, and TooManyWalletsError for one new wallet too many.
        """
        if self._shared:
            return SHARED
        async with self._database.transaction() as session:
            tenant, _ = await service.ensure(session, tenant_name, actor)
        await self._check()
        experiment = tenant.default_experiment
        if experiment is None:
            if not unlimited and is_wallet(tenant.name):
                await self._count_wallet(actor)
            await self._mlflow.make_workspace(tenant.workspace)
            experiment = await self._mlflow.default_experiment(tenant.workspace)
            async with self._database.transaction() as session:
                await session.execute(
                    update(Tenant)
                    .where(Tenant.name == tenant.name)
                    .values(default_experiment=experiment)
                )
            log.info("workspace.ready", tenant=tenant.name, workspace=tenant.workspace)
        workspace = Workspace(tenant.workspace, experiment)
        self._known[tenant.name] = workspace
        return workspace

    async def _count_wallet(self, actor: Actor) -> None:
        """A wallet costs nothing to make, and its workspace is never removed."""
        if self._new_wallets is None:
            return
        # Nobody begins with what tells no address: those share one count.
        quota = await self._new_wallets.hit_address(actor.client or "unknown")
        if not quota.allowed:
            seconds = self._new_wallets.refuse(quota)
            raise TooManyWalletsError(
                f"More than {quota.limit} new wallets from this address in an hour. Use one that "
                f"was here before, or try again in {seconds} seconds.",
                retry_after=seconds,
            )

    async def try_prepare(self, tenant_name: str, actor: Actor) -> None:
        """Make a tenant, and its workspace if MLflow is there; else the first use makes it."""
        try:
            await self.prepare(tenant_name, actor, unlimited=True)
        except (UpstreamError, UnavailableError) as error:
            log.warning("workspace.postponed", tenant=tenant_name, reason=error.reason)

    async def _check(self) -> None:
        """Fail closed: an MLflow without workspaces ignores the header and shows all to all."""
        if self._checked:
            return
        if not await self._mlflow.has_workspaces():
            raise UpstreamError(
                "The MLflow behind this gateway does not keep tenants apart: its operator has to "
                "start it with --enable-workspaces (MLflow 3.10 or later)."
            )
        self._checked = True
