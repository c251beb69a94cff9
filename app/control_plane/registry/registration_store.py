"""The database side of a registration: the rows that each of its transactions writes.

Every function works in the transaction of its `session` argument.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.contributors.service import ImprovedModel, record_contributions
from app.control_plane.idempotency import service as idempotency
from app.control_plane.idempotency.service import RequestIdentity, StoredResponse
from app.control_plane.registry import service, tokens
from app.control_plane.registry.models import Model, Registration
from app.control_plane.registry.plan import Plan
from app.control_plane.registry.presence import is_current
from app.core.errors import ConflictError, GatewayError, InProgressError
from app.core.request.principal import Principal
from app.database.engine import now
from app.mlflow.resources import ModelVersion

CREATED = 201
# Of the stored response to a registration that was given up, which is rendered as an error.
GIVEN_UP = 409


async def find(session: AsyncSession, request: RequestIdentity) -> Registration | None:
    """The registration of a request, unless it has ended."""
    return await session.scalar(
        select(Registration).where(
            Registration.principal == request.principal,
            Registration.key == request.key,
            Registration.settle_at.is_(None),
            Registration.given_up_at.is_(None),
        )
    )


async def find_response(session: AsyncSession, request: RequestIdentity) -> StoredResponse | None:
    """The response to a request that is done; None for one that may be claimed.

    A request whose model has been withdrawn is a new one: it registers the model anew. Raises as
    `idempotency.find_response` does.
    """
    response = await idempotency.find_response(session, request)
    if response is None or response.status != CREATED:
        return response
    withdrawn = await session.scalar(
        select(Model.withdrawn_at).where(Model.model_id == response.document["model_id"])
    )
    if withdrawn is None:
        return response
    await idempotency.forget(session, request)
    return None


async def begin(session: AsyncSession, request: RequestIdentity, plan: Plan) -> None:
    """Store the plan. Raises ConflictError or TokenTakenError where another request was first."""
    if plan.token is not None:
        await tokens.hold(session, plan.token, plan.tenant)
    adopted = f"{plan.mlflow_name}/{plan.adopts}" if plan.adopts is not None else None
    if adopted is not None:
        registered_as = await session.scalar(
            select(Model.model_id).where(
                Model.tenant == plan.tenant,
                Model.mlflow_name == plan.mlflow_name,
                Model.mlflow_version == plan.adopts,
                is_current(),
            )
        )
        if registered_as is not None:
            raise ConflictError(f"models:/{adopted} is registered already, as {registered_as}.")
    created = await session.scalar(
        insert(Registration)
        .values(
            operation=plan.operation,
            principal=request.principal,
            key=request.key,
            tenant=plan.tenant,
            adopts=adopted,
            token=plan.token,
            plan=plan.model_dump(mode="json"),
        )
        .on_conflict_do_nothing()
        .returning(Registration.operation)
    )
    if created is None:
        raise ConflictError(f"models:/{adopted} is being registered by another request.")


async def take_over(session: AsyncSession, request: RequestIdentity) -> Plan:
    """The plan of a registration that another process has begun."""
    registration = await find(session, request)
    assert registration is not None
    # That process may have sent MLflow a request for a version that is still to come.
    registration.in_doubt = True
    return Plan.model_validate(registration.plan)


async def mark_in_doubt(session: AsyncSession, plan: Plan) -> None:
    """Note that MLflow may create a version that this process does not know of."""
    await session.execute(
        update(Registration).where(Registration.operation == plan.operation).values(in_doubt=True)
    )


async def record(
    session: AsyncSession,
    request: RequestIdentity,
    holder: str,
    plan: Plan,
    version: ModelVersion,
    lease: float,
) -> StoredResponse:
    """Record the model with its contributions, the audit event and the response.

    version: in MLflow. Raises InProgressError where another process took the request, and
    SQLAlchemy's IntegrityError where another record has the place of the version.
    """
    model = _model(plan, version)
    session.add(model)
    owner = Principal("", "", plan.tenant, frozenset())
    document = service.model_view(model, [], owner, plan.contributors).model_dump(mode="json")
    response = StoredResponse(CREATED, document)
    if not await idempotency.complete(session, request, holder, response):
        raise taken_over_error()
    await session.flush()
    if plan.baseline_model_id is not None:
        improved = ImprovedModel(
            plan.model_id,
            model.number,
            plan.baseline_model_id,
            plan.tenant,
            plan.private,
            {name: delta.improvement for name, delta in plan.delta.items()},
            model.created_at,
        )
        await record_contributions(session, improved, plan.contributors)
    audit.record(
        session,
        plan.actor,
        "model.registered",
        plan.model_id,
        plan.tenant,
        kind=plan.kind,
        mlflow_name=version.name,
        mlflow_version=version.version,
    )
    await _end(session, plan, version.version, lease)
    return response


async def undo(
    session: AsyncSession,
    request: RequestIdentity,
    holder: str,
    plan: Plan,
    refusal: GatewayError,
    lease: float,
) -> None:
    """Undo what `begin` wrote, so that the same request can be sent again as a new one.

    refusal: why the model cannot be registered. Raises InProgressError where another process took
    the request.
    """
    if not await idempotency.discard(session, request, holder):
        raise taken_over_error()
    await _end(session, plan, None, lease)
    if plan.token is not None:
        await session.flush()
        await tokens.release(session, plan.token)
    audit.record(
        session,
        plan.actor,
        "model.registration_refused",
        plan.model_id,
        plan.tenant,
        kind=plan.kind,
        reason=refusal.message[:500],
    )


async def remove(session: AsyncSession, plan: Plan) -> None:
    """Remove a registration that has ended. One that was given up stays, without further work."""
    await session.execute(
        delete(Registration).where(
            Registration.operation == plan.operation, Registration.given_up_at.is_(None)
        )
    )
    await session.execute(
        update(Registration).where(Registration.operation == plan.operation).values(settle_at=None)
    )


async def count_failure(session: AsyncSession, plan: Plan) -> int:
    """Count an internal error of a registration. Returns how many there were."""
    failures = await session.scalar(
        update(Registration)
        .where(Registration.operation == plan.operation)
        .values(failures=Registration.failures + 1)
        .returning(Registration.failures)
    )
    return failures or 0


async def give_up(
    session: AsyncSession,
    request: RequestIdentity,
    holder: str | None,
    plan: Plan,
    failure: str,
    lease: float,
) -> None:
    """End a registration that cannot be finished, so that no reconciler continues it.

    The same request gets the failure as its response. holder: of the request; None where its
    registration had ended, and only versions in MLflow were left to delete. Raises InProgressError
    where another process took the request.
    """
    registration = await session.get(Registration, plan.operation, populate_existing=True)
    assert registration is not None
    at = now()
    if holder is not None:
        message = (
            f"This registration was given up at {at:%Y-%m-%d %H:%M} UTC, after it had failed "
            f"lastingly: {failure} No model was registered. Send it with another Idempotency-Key "
            "once the cause is gone."
        )
        response = StoredResponse(GIVEN_UP, {"message": message})
        if not await idempotency.complete(session, request, holder, response):
            raise taken_over_error()
    registration.given_up_at, registration.failure = at, failure
    registration.adopts = registration.token = None
    # A version that it may have created in MLflow is deleted, if that is possible.
    registration.settle_at = None if holder is None else at + timedelta(seconds=lease)
    await session.flush()
    if plan.token is not None:
        await tokens.release(session, plan.token)
    audit.record(
        session,
        plan.actor,
        "model.registration_given_up",
        plan.model_id,
        plan.tenant,
        kind=plan.kind,
        reason=failure[:500],
    )


def taken_over_error() -> InProgressError:
    """The error for a process whose request another process has taken over."""
    return InProgressError(
        "This request took so long that another process took it over. Send it again unchanged to "
        "get its response."
    )


async def _end(session: AsyncSession, plan: Plan, version: str | None, lease: float) -> None:
    """Remove a registration. One in doubt stays for one more lease, to be settled then."""
    registration = await session.get(Registration, plan.operation, populate_existing=True)
    if registration is None:
        return
    if not registration.in_doubt:
        await session.delete(registration)
        return
    registration.version = version
    registration.adopts = None
    registration.token = None
    registration.settle_at = now() + timedelta(seconds=lease)


def _model(plan: Plan, version: ModelVersion) -> Model:
    unchanged: dict[str, Any] = {
        name: getattr(plan, name)
        for name in Plan.model_fields
        if name in Model.__table__.columns and name != "metadata"
    }
    return Model(
        **unchanged
        | {
            "mlflow_name": version.name,
            "mlflow_version": version.version,
            "mlflow_created_at": version.created,
            "stated_metadata": plan.metadata,
            "root": plan.path[0],
            "metric_sources": {
                name: source.model_dump(mode="json") for name, source in plan.metric_sources.items()
            },
            "directions": {
                name: direction.model_dump() for name, direction in plan.directions.items()
            },
            "delta": {name: delta.model_dump() for name, delta in plan.delta.items()},
            "contributors": [share.model_dump(exclude={"details"}) for share in plan.contributors],
            "warnings": [warning.model_dump() for warning in plan.warnings],
            "files": "pending" if plan.listed_files is None else "claimed",
            "created_at": now(),
        }
    )
