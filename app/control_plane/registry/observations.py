"""Observations: what MLflow had of a registered model's metrics at a later time.

A registration's metrics never change. Where its tenant has other values attested than those, what
the gateway read then is recorded beside the registration.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.registry.models import MetricObservation
from app.core.request.actor import Actor
from app.rest.pagination import decode_number


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


async def list_observations(
    session: AsyncSession, model_id: str, cursor: str | None, limit: int
) -> Sequence[MetricObservation]:
    """The observations of a model, newest first: one more than the limit if there is."""
    query = (
        select(MetricObservation)
        .where(MetricObservation.model_id == model_id)
        .order_by(MetricObservation.number.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(MetricObservation.number < decode_number(cursor))
    return (await session.scalars(query)).all()
