"""Registering a model exactly once, whatever dies on the way.

1. One transaction writes that it has begun: the claim of the request, the plan with the id of this
   operation, what has to be the only one of its kind (a token's holder, a version that is adopted),
   and that a wallet's message is spent.
2. MLflow is asked to make the version, tagged with the operation's id. Its answer may get lost, so
   whoever takes over searches for the tag before it asks again.
3. One transaction writes the record, the contributions, the audit row and the answer.

Whoever is killed between two of these leaves a lease that ends. The request sent again, or the
reconciler, then goes on from the plan.

Longer than most files here: which step may follow which is what there is to get right, and apart
they would not show it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.identity.replay_guard import consume
from app.control_plane.contributors import service as contributors
from app.control_plane.contributors.service import Improved
from app.control_plane.idempotency import service as idempotency
from app.control_plane.idempotency.service import Answer, Claim, RequestID
from app.control_plane.registry import service
from app.control_plane.registry.models import Model, Registration, Token
from app.control_plane.registry.plan import OPERATION, Plan
from app.control_plane.registry.planner import Planner
from app.control_plane.registry.schemas import RegistrationRequest
from app.core.errors import (
    ConflictError,
    GatewayError,
    InProgressError,
    MLflowRefusalError,
    NotFoundError,
    TokenTakenError,
    UpstreamError,
    UpstreamUnreachableError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import VerifiedWallet
from app.database.engine import Database, now
from app.mlflow.model_registry import MLflowModels

log = structlog.get_logger()

CREATED = 201
# How long a registration that fails is tried again.
PATIENCE = timedelta(days=1)


class Registrations:
    """Brings registrations to their end; one for the process.

    lease: seconds for which nobody else takes up a registration that somebody works on; longer
        than one request to MLflow takes.
    ended: told the kind of model and what came of a request: `registered` (also by a reconciler),
        `replayed`, `refused`, or `failed` (which a reconciler may mend).
    """

    def __init__(
        self,
        database: Database,
        mlflow: MLflowModels,
        planner: Planner,
        lease: float,
        ended: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._mlflow = mlflow
        self._planner = planner
        self._lease = lease
        self._ended = ended
        self._working: set[RequestID] = set()

    async def register(
        self,
        principal: Principal,
        route: str,
        request: RegistrationRequest,
        actor: Actor,
        key: str | None = None,
        proof: VerifiedWallet | None = None,
    ) -> Answer:
        """Register a model, or tell what came of the same request before.

        key: the header Idempotency-Key. proof: a wallet's message, spent when this begins.
        Raises, before anything is written: UnprocessableError, NotFoundError, ConflictError and
        its kinds, KeyReusedError, InProgressError, UpstreamError, DatabaseUnavailableError.
        Raises after that: MLflowRefusalError and NotFoundError, and then nothing remains;
        UpstreamError and DatabaseUnavailableError, and then the same request, or the reconciler,
        goes on.
        """
        document = request.model_dump(mode="json", exclude_unset=True)
        asked = idempotency.identify(principal.id, route, document, key)
        # Repeats that come to the same process at once need not all ask the database.
        if asked in self._working:
            raise InProgressError("This request is being worked on. Send it again unchanged.")
        self._working.add(asked)
        try:
            answer = await self._register(asked, principal, request, actor, proof)
        except GatewayError as error:
            self._ended(route, "refused" if error.status < 500 else "failed")
            raise
        else:
            if answer.replayed:
                self._ended(route, "replayed")
            return answer
        finally:
            self._working.discard(asked)

    async def _register(
        self,
        asked: RequestID,
        principal: Principal,
        request: RegistrationRequest,
        actor: Actor,
        proof: VerifiedWallet | None,
    ) -> Answer:
        async with self._database.transaction() as session:
            done = await idempotency.answered(session, asked)
            if done is not None:
                return done
            left = await _registration(session, asked)
        if left is None:
            plan = await self._planner.plan(principal, request, actor)
        async with self._database.transaction() as session:
            claim = await idempotency.claim(session, asked, self._lease)
            if isinstance(claim, Answer):
                return claim
            if claim.is_new:
                if left is not None:
                    # It came to nothing just now, and so did the plan that was not made.
                    raise InProgressError("This request was given up. Send it again.")
                if proof is not None:
                    await consume(session, proof)
                await _begin(session, asked, plan)
            else:
                # The plan that counts is that of whoever began.
                plan = await _take_up(session, asked)
        return await self._proceed(asked, claim, plan)

    async def resume(self, asked: RequestID, holder: str, plan: Plan) -> None:
        """Bring a registration to its end that its holder left. Raises as `register` does."""
        # Left alone for a while where MLflow fails over it, so that others get their turn.
        await self._proceed(asked, Claim(holder, is_new=False), plan, pause=self._lease / 4)

    async def settle(self, registration: Registration) -> None:
        """Remove versions in MLflow that came late, after the registration had ended.

        Raises UpstreamError and DatabaseUnavailableError; it is tried again then.
        """
        plan = Plan.model_validate(registration.plan)
        for found in await self._mlflow.versions_tagged(plan.workspace, OPERATION, plan.operation):
            if (found.name, found.version) != (plan.mlflow_name, registration.version):
                await self._mlflow.delete_version(plan.workspace, found.name, found.version)
                log.warning("registration.duplicate_removed", operation=plan.operation)
        async with self._database.transaction() as session:
            await session.execute(
                delete(Registration).where(Registration.operation == plan.operation)
            )

    async def _proceed(
        self, asked: RequestID, claim: Claim, plan: Plan, pause: float = 0
    ) -> Answer:
        try:
            version = await self._version(asked, claim, plan)
        except (MLflowRefusalError, NotFoundError) as refusal:
            await self._give_up(asked, claim, plan, refusal)
            raise
        except UpstreamError:
            # Nobody works on it now: whoever sends it again need not wait for the lease.
            async with self._database.transaction() as session:
                await idempotency.renew(session, asked, claim.holder, pause)
            raise
        return await self._record(asked, claim, plan, version)

    async def _version(self, asked: RequestID, claim: Claim, plan: Plan) -> str:
        """Make the version in MLflow, or find the one that was made."""
        if plan.adopts is not None:
            await self._mlflow.tag_version(plan.workspace, plan.mlflow_name, plan.adopts, plan.tags)
            return plan.adopts
        if not claim.is_new:
            found = await self._made(plan)
            if found is not None:
                return found
            await self._look_again(plan)
        await self._mlflow.make_registered_model(plan.workspace, plan.mlflow_name)
        await self._hold(asked, claim)
        try:
            return await self._mlflow.make_version(
                plan.workspace,
                plan.mlflow_name,
                plan.source,
                plan.run_id,
                plan.logged_model,
                plan.tags,
            )
        except UpstreamUnreachableError:
            raise
        except UpstreamError as fault:
            await self._doubt(plan)
            found = await self._made(plan)
            if found is None:
                raise
            log.info("registration.found", operation=plan.operation, fault=fault.reason)
            return found

    async def _made(self, plan: Plan) -> str | None:
        found = await self._mlflow.versions_tagged(plan.workspace, OPERATION, plan.operation)
        versions = [one.version for one in found if one.name == plan.mlflow_name]
        return versions[0] if versions else None

    async def _look_again(self, plan: Plan) -> None:
        """Raises NotFoundError where what is registered is gone, which MLflow calls its own fault.

        Also where a day of trying has not helped: whatever the reason is, it is no passing one.
        """
        there: object = plan
        if plan.logged_model is not None:
            there = await self._mlflow.logged_model(plan.workspace, plan.logged_model)
        elif plan.run_id is not None:
            there = await self._mlflow.run(plan.workspace, plan.run_id)
        async with self._database.transaction() as session:
            registration = await session.get(Registration, plan.operation)
        is_old = registration is not None and registration.created_at < now() - PATIENCE
        if there is None or is_old:
            raise NotFoundError(f"{plan.model_uri} could not be registered, or is gone.")

    async def _hold(self, asked: RequestID, claim: Claim) -> None:
        async with self._database.transaction() as session:
            if not await idempotency.renew(session, asked, claim.holder, self._lease):
                raise _overtaken()

    async def _doubt(self, plan: Plan) -> None:
        async with self._database.transaction() as session:
            await session.execute(
                update(Registration)
                .where(Registration.operation == plan.operation)
                .values(in_doubt=True)
            )

    async def _record(self, asked: RequestID, claim: Claim, plan: Plan, version: str) -> Answer:
        """Write everything down in one transaction."""
        async with self._database.transaction() as session:
            model = _model(plan, version)
            session.add(model)
            owner = Principal("", "", plan.tenant, frozenset())
            document = service.view(model, [], owner).model_dump(mode="json")
            answer = Answer(CREATED, document)
            if not await idempotency.finish(session, asked, claim.holder, answer):
                raise _overtaken()
            await session.flush()
            if plan.baseline_model_id is not None:
                improved = Improved(
                    plan.model_id,
                    plan.baseline_model_id,
                    plan.tenant,
                    plan.private,
                    {name: delta.improvement for name, delta in plan.delta.items()},
                    model.created_at,
                )
                await contributors.add(session, improved, plan.contributors)
            audit.record(
                session,
                plan.actor,
                "model.registered",
                plan.model_id,
                plan.tenant,
                kind=plan.kind,
                mlflow_name=plan.mlflow_name,
                mlflow_version=version,
            )
            await self._end(session, plan, version)
        self._ended(plan.kind, "registered")
        return answer

    async def _give_up(
        self, asked: RequestID, claim: Claim, plan: Plan, refusal: GatewayError
    ) -> None:
        """Take back what was written when it began: the same request starts anew."""
        async with self._database.transaction() as session:
            if not await idempotency.forget(session, asked, claim.holder):
                raise _overtaken()
            await self._end(session, plan, None)
            if plan.token is not None:
                await session.flush()
                await _release(session, plan.token)
            audit.record(
                session,
                plan.actor,
                "model.registration_refused",
                plan.model_id,
                plan.tenant,
                kind=plan.kind,
                reason=refusal.message[:500],
            )

    async def _end(self, session: AsyncSession, plan: Plan, version: str | None) -> None:
        """Forget a registration, or keep it until what may come late has come."""
        registration = await session.get(Registration, plan.operation, populate_existing=True)
        if registration is None:
            return
        if not registration.in_doubt:
            await session.delete(registration)
            return
        registration.version = version
        registration.adopts = None
        registration.token = None
        registration.settle_at = now() + timedelta(seconds=self._lease)


async def _registration(session: AsyncSession, asked: RequestID) -> Registration | None:
    return await session.scalar(
        select(Registration).where(
            Registration.principal == asked.principal,
            Registration.key == asked.key,
            Registration.settle_at.is_(None),
        )
    )


async def _take_up(session: AsyncSession, asked: RequestID) -> Plan:
    registration = await _registration(session, asked)
    assert registration is not None
    # Who left it may have asked MLflow for a version that is still to come.
    registration.in_doubt = True
    return Plan.model_validate(registration.plan)


async def _begin(session: AsyncSession, asked: RequestID, plan: Plan) -> None:
    """Write the plan down. Raises ConflictError and its kinds where another was faster."""
    if plan.token is not None:
        await session.execute(
            insert(Token).values(symbol=plan.token, tenant=plan.tenant).on_conflict_do_nothing()
        )
        # Locked, so that nobody releases it before this is written.
        holder = await session.scalar(
            select(Token.tenant).where(Token.symbol == plan.token).with_for_update()
        )
        if holder != plan.tenant:
            raise TokenTakenError(
                f"The token id {plan.token_id!r} is taken. Only its holder can register versions "
                "under it."
            )
    adopted = f"{plan.mlflow_name}/{plan.adopts}" if plan.adopts is not None else None
    if adopted is not None:
        earlier = await session.scalar(
            select(Model.model_id).where(
                Model.tenant == plan.tenant,
                Model.mlflow_name == plan.mlflow_name,
                Model.mlflow_version == plan.adopts,
            )
        )
        if earlier is not None:
            raise ConflictError(f"models:/{adopted} is registered already, as {earlier}.")
    made = await session.scalar(
        insert(Registration)
        .values(
            operation=plan.operation,
            principal=asked.principal,
            key=asked.key,
            tenant=plan.tenant,
            adopts=adopted,
            token=plan.token,
            plan=plan.model_dump(mode="json"),
        )
        .on_conflict_do_nothing()
        .returning(Registration.operation)
    )
    if made is None:
        raise ConflictError(f"models:/{adopted} is being registered by another request.")


async def _release(session: AsyncSession, symbol: str) -> None:
    """Let a token id go that nothing was registered under."""
    await session.execute(select(Token.symbol).where(Token.symbol == symbol).with_for_update())
    await session.execute(
        delete(Token).where(
            Token.symbol == symbol,
            ~exists().where(Model.token == symbol),
            ~exists().where(Registration.token == symbol),
        )
    )


def _model(plan: Plan, version: str) -> Model:
    same: dict[str, Any] = {
        name: getattr(plan, name)
        for name in Plan.model_fields
        if name in Model.__table__.columns and name != "metadata"
    }
    return Model(
        **same
        | {
            "mlflow_version": version,
            "given_metadata": plan.metadata,
            "root": plan.path[0],
            "delta": {name: delta.model_dump() for name, delta in plan.delta.items()},
            "contributors": [share.model_dump() for share in plan.contributors],
            "warnings": [warning.model_dump() for warning in plan.warnings],
            "created_at": now(),
        }
    )


def _overtaken() -> InProgressError:
    return InProgressError(
        "This request took so long that another process took it over. Send it again unchanged to "
        "learn what came of it."
    )
