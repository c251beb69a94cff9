"""The subject of an attestation: a model and its run, as the registry knows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.contributors.shares import Share
from app.control_plane.registry.metric_direction import Direction
from app.core.request.principal import Principal


@dataclass(frozen=True, slots=True)
class Subject:
    """One model.

    tenant: the model's owner, in whose MLflow workspace its run is.
    metrics: those that were registered, which are all that other tenants may learn.
    directions: of its metrics, and any other that its registration states.
    baseline_model_id: the model that it improves on; None for a baseline.
    """

    tenant: str
    model_id: str | None = None
    run_id: str | None = None
    mlflow_name: str | None = None
    mlflow_version: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    primary_metric: str | None = None
    directions: Mapping[str, Direction] = field(default_factory=dict)
    baseline_model_id: str | None = None
    shares: tuple[Share, ...] = ()
    token_id: str | None = None
    private: bool = False


class SubjectRegistry(Protocol):
    """Finds models that can be attested. `RegisteredModels` implements it; tests use another."""

    async def find(
        self, session: AsyncSession, model_id: str, principal: Principal
    ) -> Subject | None:
        """The model of an id; None where there is none, or none that the principal may see."""
        ...
