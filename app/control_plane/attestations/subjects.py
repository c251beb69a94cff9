"""What an attestation is about: a model's run, and what the registry knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.contributors.shares import Share
from app.core.request.principal import Principal


@dataclass(frozen=True, slots=True)
class Subject:
    """One model, as the registry keeps it.

    tenant: whose model it is, and so in whose MLflow workspace its run is.
    metrics: those that were registered; all that other tenants may learn.
    higher_is_better: directions that were given with it, by metric.
    baseline_model_id: what it improves on, None for a baseline.
    """

    tenant: str
    model_id: str | None = None
    run_id: str | None = None
    mlflow_name: str | None = None
    mlflow_version: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    primary_metric: str | None = None
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    baseline_model_id: str | None = None
    shares: tuple[Share, ...] = ()
    token_id: str | None = None
    private: bool = False


class Subjects(Protocol):
    """What attestations need of the registry; `registry_subjects` implements it."""

    async def model(
        self, session: AsyncSession, model_id: str, principal: Principal
    ) -> Subject | None:
        """The model of that id; None where there is none, or none that the caller may see."""
        ...
