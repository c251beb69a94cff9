"""Observations: what MLflow had of a registered model's metrics at a later time.

A registration's metrics never change. Where its tenant has other values attested than those, what
the gateway read then is recorded beside the registration.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.access.audit import service as audit
from app.control_plane.registry.listing import VISIBLE
from app.control_plane.registry.model_ids import no_model
from app.control_plane.registry.models import MetricObservation, Model
from app.core.errors import PermissionDeniedError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.reads import Reads, Statement, columns_of
from app.rest.listing import Listing, by_number, read_page


class ObservationView(BaseModel):
    """What MLflow had of a registered model's metrics at a time."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    model_id: str
    run_id: str = Field(description="The run that was read.")
    metrics: dict[str, float] = Field(description="The values of the registered metrics then.")
    at: datetime


def record_observation(
    session: AsyncSession,
    actor: Actor,
    tenant: str,
    model_id: str,
    run_id: str,
    metrics: Mapping[str, float],
    at: datetime,
) -> None:
    """Record the values of a model's registered metrics, with an audit event."""
    session.add(
        MetricObservation(
            model_id=model_id,
            run_id=run_id,
            metrics=dict(metrics),
            principal=actor.principal,
            at=at,
        )
    )
    audit.record(session, actor, "model.metrics_observed", model_id, tenant, run_id=run_id)


_OWNER = Statement(
    select(Model.tenant.label("tenant")).where(Model.model_id == bindparam("model_id"), VISIBLE)
)
_LISTING = Listing(
    by_number(MetricObservation.number),
    columns_of(MetricObservation),
    MetricObservation.number,
    within=[MetricObservation.model_id == bindparam("model_id")],
)


async def list_observations(
    reads: Reads, model_id: str, principal: Principal, *, cursor: str | None, limit: int
) -> Response:
    """A page of the observations of a model, newest first.

    Raises NotFoundError for a model that the principal may not see, or that is none, and
    PermissionDeniedError for another tenant's.
    """
    model = await reads.first(_OWNER, model_id=model_id, own=principal.tenant)
    if model is None:
        raise no_model(model_id)
    if model.tenant != principal.tenant:
        raise PermissionDeniedError("Only the tenant of a model can see what its run has.")
    return await read_page(
        reads,
        _LISTING,
        ObservationView.model_validate,
        cursor=cursor,
        limit=limit,
        model_id=model_id,
    )
