"""Registering a model exactly once, even if the gateway dies at any point: a saga in three steps.

1. A transaction stores that the registration has begun: the claim of the request, the plan with
   its operation id, the reservations (a token, a version to adopt), and that a wallet's message is
   used up (`registration_store.begin`).
2. MLflow creates the version, tagged with the operation id (`ModelVersions.ensure`).
3. A transaction stores the model, its contributions, the audit event and the response
   (`registration_store.record`).

A process that dies between two steps leaves a claim whose lease expires. Then the same request
sent again, or the reconciler, continues from the plan. docs/decisions/0006-registration-saga.md
has the reasons.
"""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.replay_guard import consume
from app.access.quotas import usage
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.idempotency import service as idempotency
from app.control_plane.idempotency.service import (
    IN_PROGRESS,
    Claim,
    RequestIdentity,
    StoredResponse,
)
from app.control_plane.registry import registration_store as store
from app.control_plane.registry.model_versions import ModelVersions
from app.control_plane.registry.models import Registration
from app.control_plane.registry.plan import Plan
from app.control_plane.registry.planner import Planner
from app.control_plane.registry.presence import ATTEMPTS, Presence
from app.control_plane.registry.schemas import RegistrationRequest
from app.core.errors import (
    ConflictError,
    DatabaseUnavailableError,
    GatewayError,
    InProgressError,
    MLflowRefusalError,
    NotFoundError,
    RegistrationGivenUpError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database
from app.mlflow.client import MLflowClient
from app.mlflow.resources import ModelVersion

log = structlog.get_logger()

# Records what is to become of a model's files, in the transaction that records the model. The
# model_files package, which is above this one, implements it.
BeginFiles = Callable[[AsyncSession, Plan], Awaitable[None]]


class Registrations:
    """Carries registrations out; one for the process.

    lease: for how many seconds no other process takes over a registration that this one works on;
        longer than a request to MLflow takes.
    quotas: how many models and contributions a tenant may have.
    begin_files: called for each model that is recorded.
    on_outcome: called with the kind of model and the outcome of each request: `registered` (also
        by a reconciler), `replayed`, `refused`, `failed` (which a reconciler may still finish), or
        `given_up` (by a reconciler).
    """

    def __init__(
        self,
        database: Database,
        mlflow: MLflowClient,
        planner: Planner,
        presence: Presence,
        lease: float,
        quotas: Quotas,
        begin_files: BeginFiles,
        on_outcome: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._planner = planner
        self._presence = presence
        self._versions = ModelVersions(database, mlflow, lease)
        self._lease = lease
        self._quotas = quotas
        self._begin_files = begin_files
        self._on_outcome = on_outcome
        self._in_progress: set[RequestIdentity] = set()

    async def register(
        self,
        principal: Principal,
        route: str,
        request: RegistrationRequest,
        actor: Actor,
        idempotency_key: str | None = None,
        proof: WalletProof | None = None,
    ) -> StoredResponse:
        """Register a model, or return the response that the same request got before.

        proof: the wallet's message that authorises the request, if it has one; it is used up when
        the registration begins.

        Raises before anything is stored: UnprocessableError, NotFoundError, ConflictError and its
        kinds, KeyReusedError, InProgressError, QuotaExceededError, TooManyCreationsError,
        UpstreamError, DatabaseUnavailableError.
        Raises afterwards: MLflowRefusalError, NotFoundError and ConflictError, where the
        registration has been undone; UpstreamError and DatabaseUnavailableError, where the same
        request, or the reconciler, continues it.
        """
        document = request.model_dump(mode="json", exclude_unset=True)
        identity = idempotency.identify(principal.id, route, document, idempotency_key)
        # Repetitions that reach the same process at once do not each need the database.
        if identity in self._in_progress:
            raise InProgressError(IN_PROGRESS)
        self._in_progress.add(identity)
        try:
            response = await self._register(identity, principal, request, actor, proof)
            if response.status == store.GIVEN_UP:
                raise RegistrationGivenUpError(response.document["message"])
        except GatewayError as error:
            self._on_outcome(route, "refused" if error.status < 500 else "failed")
            raise
        else:
            if response.replayed:
                self._on_outcome(route, "replayed")
            return response
        finally:
            self._in_progress.discard(identity)

    async def _register(
        self,
        identity: RequestIdentity,
        principal: Principal,
        request: RegistrationRequest,
        actor: Actor,
        proof: WalletProof | None,
    ) -> StoredResponse:
        async with self._database.transaction() as session:
            response = await store.find_response(session, identity)
            if response is not None:
                return response
            unfinished = await store.find(session, identity)
        if unfinished is None:
            plan = await self._planner.plan(principal, request, actor)
        async with self._database.transaction() as session:
            claim = await idempotency.claim(session, identity, self._lease)
            if isinstance(claim, StoredResponse):
                return claim
            if claim.is_new:
                if unfinished is not None:
                    # Another process has undone it just now, and no new plan was made.
                    raise InProgressError("This registration was undone just now. Send it again.")
                if proof is not None:
                    await consume(session, proof)
                await store.begin(session, identity, plan)
                await self._quotas.reserve(session, plan.actor, plan.tenant, _amounts(plan))
            else:
                # The plan of the process that began is the one to continue.
                plan = await store.take_over(session, identity)
        return await self._finish(identity, claim, plan)

    async def resume(self, identity: RequestIdentity, holder: str, plan: Plan) -> None:
        """Finish a registration whose lease has expired. Raises as `register` does."""
        # Where MLflow fails, a pause lets the reconciler take up other registrations first.
        await self._finish(identity, Claim(holder, is_new=False), plan, pause=self._lease / 4)

    async def give_up(
        self, identity: RequestIdentity, holder: str | None, plan: Plan, failure: str
    ) -> None:
        """End a registration that fails lastingly. Arguments: as `registration_store.give_up`."""
        async with self._database.transaction() as session:
            await store.give_up(session, identity, holder, plan, failure, self._lease)
            await _release(session, plan)
        self._on_outcome(plan.kind, "given_up")

    async def settle(self, registration: Registration) -> None:
        """Delete versions in MLflow that were created after a registration had ended.

        Raises UpstreamError and DatabaseUnavailableError, after which it can be tried again.
        """
        plan = Plan.model_validate(registration.plan)
        await self._versions.delete_duplicates(plan, registration.version)
        async with self._database.transaction() as session:
            await store.remove(session, plan)

    async def _finish(
        self, identity: RequestIdentity, claim: Claim, plan: Plan, pause: float = 0
    ) -> StoredResponse:
        """Steps 2 and 3. pause: seconds until the lease expires where one of them fails."""
        try:
            version = await self._versions.ensure(identity, claim, plan)
            response = await self._record(identity, claim, plan, version)
        except InProgressError:
            raise
        except (MLflowRefusalError, NotFoundError, ConflictError) as refusal:
            async with self._database.transaction() as session:
                if isinstance(refusal, ConflictError):
                    # The version that step 2 has created must be deleted.
                    await store.mark_in_doubt(session, plan)
                await store.undo(session, identity, claim.holder, plan, refusal, self._lease)
                await _release(session, plan)
            raise
        except DatabaseUnavailableError:
            raise
        except Exception:
            # This process stops working on it, so a repetition need not wait for the lease.
            async with self._database.transaction() as session:
                await idempotency.renew(session, identity, claim.holder, pause)
            raise
        self._on_outcome(plan.kind, "registered")
        return response

    async def _record(
        self, identity: RequestIdentity, claim: Claim, plan: Plan, version: ModelVersion
    ) -> StoredResponse:
        """Step 3. Raises ConflictError where the version has a record already."""
        for _ in range(ATTEMPTS):
            await self._presence.require_unrecorded(plan.workspace, plan.tenant, version)
            try:
                async with self._database.transaction() as session:
                    response = await store.record(
                        session, identity, claim.holder, plan, version, self._lease
                    )
                    await self._begin_files(session, plan)
                    return response
            except IntegrityError:
                # Another request has recorded or renamed a version meanwhile.
                log.info("registration.place_taken", operation=plan.operation)
        raise ConflictError(
            f"models:/{version.name}/{version.version} could not be recorded, because other "
            "requests change the same names. Send it again."
        )


def _amounts(plan: Plan) -> dict[QuotaKind, int]:
    """How many rows a registration writes that are kept permanently."""
    contributions = len(plan.contributors) if plan.baseline_model_id is not None else 0
    return {QuotaKind.MODELS: 1, QuotaKind.CONTRIBUTIONS: contributions}


async def _release(session: AsyncSession, plan: Plan) -> None:
    """Give back what a registration has reserved that ends without a model."""
    for kind, amount in _amounts(plan).items():
        await usage.remove(session, kind, {plan.tenant: amount})
