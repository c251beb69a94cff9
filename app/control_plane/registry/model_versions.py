"""The version in MLflow that a registration creates or adopts: one, however often it is tried.

MLflow creates another version for each request, and its response may get lost. So each
version carries the id of its operation as a tag, and a process that takes a registration over
searches for the tag first.
"""

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.idempotency import service as idempotency
from app.control_plane.idempotency.service import Claim, RequestIdentity
from app.control_plane.registry import registration_store as store
from app.control_plane.registry.models import Registration
from app.control_plane.registry.plan import OPERATION_TAG, Plan
from app.core.errors import NotFoundError, UpstreamError, UpstreamUnreachableError
from app.database.engine import Database, now
from app.mlflow.client import MLflowClient
from app.mlflow.resources import ModelVersion

log = structlog.get_logger()

# How long a registration that fails is tried again.
MAX_AGE = timedelta(days=1)


class ModelVersions:
    """Creates, finds and removes the versions of registrations in MLflow.

    lease: in seconds, as `Registrations` has it.
    """

    def __init__(self, database: Database, mlflow: MLflowClient, lease: float) -> None:
        self._database = database
        self._mlflow = mlflow
        self._lease = lease

    async def ensure(self, request: RequestIdentity, claim: Claim, plan: Plan) -> ModelVersion:
        """The plan's version, which is created, adopted or found.

        Raises MLflowRefusalError and NotFoundError where the version cannot be had any more,
        InProgressError where another process took the request, UpstreamError and
        DatabaseUnavailableError.
        """
        workspace, name = plan.workspace, plan.mlflow_name
        if plan.adopts is not None:
            adopted = await self._mlflow.model_version(workspace, name, plan.adopts)
            if adopted is None or adopted.created != plan.adopts_created:
                raise NotFoundError(
                    f"Version {plan.adopts} of {name!r} was deleted or renamed in MLflow while it "
                    "was being registered."
                )
            await self._mlflow.set_version_tags(workspace, name, plan.adopts, plan.tags)
            return adopted
        if not claim.is_new:
            version = await self._find(plan)
            if version is not None:
                return version
            await self._require_source(plan)
        await self._mlflow.create_registered_model(workspace, name)
        # No other process may take the request over while MLflow works on the next call.
        await self._renew(request, claim)
        try:
            return await self._mlflow.create_model_version(
                workspace, name, plan.source, plan.run_id, plan.logged_model, plan.tags
            )
        except UpstreamUnreachableError:
            # MLflow has not received the call.
            raise
        except UpstreamError as error:
            async with self._database.transaction() as session:
                await store.mark_in_doubt(session, plan)
            version = await self._find(plan)
            if version is None:
                raise
            log.info("registration.found", operation=plan.operation, fault=error.reason)
            return version

    async def delete_duplicates(self, plan: Plan, recorded: str | None) -> None:
        """Delete the versions that a registration has created besides the recorded one, if any.

        Raises UpstreamError.
        """
        if plan.adopts is not None:
            return
        tagged = await self._mlflow.versions_with_tag(plan.workspace, OPERATION_TAG, plan.operation)
        for version in tagged:
            # A copy under another name has the same tags, and is the tenant's own.
            if version.name == plan.mlflow_name and version.version != recorded:
                await self._mlflow.delete_version(plan.workspace, version.name, version.version)
                log.warning("registration.duplicate_removed", operation=plan.operation)

    async def _find(self, plan: Plan) -> ModelVersion | None:
        """The oldest version that carries the operation's id, also under a new name."""
        tagged = await self._mlflow.versions_with_tag(plan.workspace, OPERATION_TAG, plan.operation)
        return min(tagged, key=lambda version: version.created, default=None)

    async def _require_source(self, plan: Plan) -> None:
        """Raises NotFoundError where the model's source no longer exists.

        MLflow reports that as a failure of its own, after which the registration would be tried
        again forever. The same after `MAX_AGE`: by then the failure is not a temporary one.
        """
        source: object = plan
        if plan.logged_model is not None:
            source = await self._mlflow.logged_model(plan.workspace, plan.logged_model)
        elif plan.run_id is not None:
            source = await self._mlflow.run(plan.workspace, plan.run_id)
        async with self._database.transaction() as session:
            is_too_old = await _is_too_old(session, plan)
        if source is None or is_too_old:
            raise NotFoundError(f"{plan.model_uri} could not be registered, or no longer exists.")

    async def _renew(self, request: RequestIdentity, claim: Claim) -> None:
        async with self._database.transaction() as session:
            if not await idempotency.renew(session, request, claim.holder, self._lease):
                raise store.taken_over_error()


async def _is_too_old(session: AsyncSession, plan: Plan) -> bool:
    registration = await session.get(Registration, plan.operation)
    return registration is not None and registration.created_at < now() - MAX_AGE
