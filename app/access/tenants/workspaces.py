"""The MLflow workspaces of tenants, which are created by the tenant's first request."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog
from sqlalchemy import update

from app.access.tenants import service
from app.access.tenants.models import Tenant
from app.access.tenants.names import tenant_name as stored_name
from app.access.tenants.new_wallets import NewWallets
from app.core.errors import UnavailableError, UpstreamError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import Database
from app.mlflow.client import MLflowClient

log = structlog.get_logger()

Tenancy = Literal["workspaces", "shared"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where MLflow keeps a tenant's data.

    name: the value of the header X-MLFLOW-WORKSPACE; None if all tenants share one MLflow.
    default_experiment: the id of the experiment that the gateway puts in place of id `0`.
    """

    name: str | None
    default_experiment: str


SHARED = Workspace(name=None, default_experiment="0")


class Workspaces:
    """Finds and creates the workspaces of tenants, with a cache for this worker.

    tenancy: the setting HOKUSAI_TENANCY.
    new_wallets: limits the new wallets per client address; None for no limit.
    """

    def __init__(
        self,
        database: Database,
        mlflow: MLflowClient,
        tenancy: Tenancy,
        new_wallets: NewWallets | None = None,
    ) -> None:
        self._database = database
        self._mlflow = mlflow
        self._shared = tenancy == "shared"
        self._new_wallets = new_wallets
        self._cache: dict[str, Workspace] = {}
        # Creations in progress, by tenant.
        self._creating: dict[str, asyncio.Task[Workspace]] = {}
        self._mlflow_checked = False

    def cached(self, tenant: str) -> Workspace | None:
        """The tenant's workspace, if this worker has used it before; never waits."""
        return SHARED if self._shared else self._cache.get(tenant)

    async def get_or_create(self, principal: Principal, actor: Actor) -> Workspace:
        """The workspace of a principal's tenant, created if it does not exist.

        Concurrent calls for one tenant share one creation, so that many first requests use no more
        of PostgreSQL and MLflow than one. Several workers may create it at the same time, since
        each step is idempotent. Raises as `ensure` does.
        """
        tenant = principal.tenant
        workspace = self.cached(tenant)
        if workspace is not None:
            return workspace
        creating = self._creating.get(tenant)
        if creating is None:
            creating = asyncio.create_task(self.ensure(tenant, actor))
            self._creating[tenant] = creating
            creating.add_done_callback(partial(self._on_created, tenant))
        # Shielded: if the call that began the creation is cancelled, the others still need it.
        return await asyncio.shield(creating)

    def _on_created(self, tenant: str, creating: "asyncio.Task[Workspace]") -> None:
        del self._creating[tenant]
        if not creating.cancelled():
            # Retrieved, since asyncio logs an exception that nobody has retrieved.
            creating.exception()

    async def ensure(self, tenant_name: str, actor: Actor, *, unlimited: bool = False) -> Workspace:
        """Create a tenant and its workspace, as far as they do not exist yet.

        unlimited: exempt from the limit on new wallets; for admins. Raises UpstreamError,
        DatabaseUnavailableError, and TooManyWalletsError if the client's address has used up its
        limit.
        """
        if self._shared:
            return SHARED
        async with self._database.transaction() as session:
            if self._new_wallets is not None and not unlimited:
                await self._new_wallets.admit(session, stored_name(tenant_name), actor)
            tenant, _ = await service.ensure(session, tenant_name, actor)
        await self._check_mlflow()
        experiment = tenant.default_experiment
        if experiment is None:
            await self._mlflow.create_workspace(tenant.workspace)
            experiment = await self._create_default(tenant.name, tenant.workspace)
            log.info("workspace.ready", tenant=tenant.name, workspace=tenant.workspace)
        workspace = Workspace(tenant.workspace, experiment)
        self._cache[tenant.name] = workspace
        return workspace

    async def renew_default(self, tenant: str, known: Workspace) -> Workspace | None:
        """Look up the experiment Default anew, where MLflow no longer has the known one.

        A deleted experiment can be restored, and still exists; `mlflow gc` removes it. Returns None
        where it exists. Raises UpstreamError and DatabaseUnavailableError.
        """
        if known.name is None:
            return None  # the id is MLflow's own constant
        cached = self._cache.get(tenant)
        if cached is not None and cached.default_experiment != known.default_experiment:
            return cached
        if await self._mlflow.has_experiment(known.name, known.default_experiment):
            return None
        # The workspace itself may have been removed, too.
        await self._mlflow.create_workspace(known.name)
        experiment = await self._create_default(tenant, known.name)
        log.warning("workspace.default_renewed", tenant=tenant, workspace=known.name)
        self._cache[tenant] = workspace = Workspace(known.name, experiment)
        return workspace

    async def _create_default(self, tenant: str, workspace: str) -> str:
        """The id of the experiment Default, created if it does not exist, and remembered."""
        experiment = await self._mlflow.ensure_default_experiment(workspace)
        async with self._database.transaction() as session:
            await session.execute(
                update(Tenant).where(Tenant.name == tenant).values(default_experiment=experiment)
            )
        return experiment

    async def try_ensure(self, tenant_name: str, actor: Actor) -> None:
        """Create a tenant, and its workspace too if MLflow is available.

        Otherwise the tenant's first request creates the workspace.
        """
        try:
            await self.ensure(tenant_name, actor, unlimited=True)
        except (UpstreamError, UnavailableError) as error:
            log.warning("workspace.postponed", tenant=tenant_name, reason=error.reason)

    async def _check_mlflow(self) -> None:
        """Refuse to use an MLflow without workspaces: it would show every tenant all data."""
        if self._mlflow_checked:
            return
        if not await self._mlflow.has_workspaces():
            raise UpstreamError(
                "MLflow does not separate tenants: its operator has to start it with "
                "--enable-workspaces (MLflow 3.10 or later)."
            )
        self._mlflow_checked = True
