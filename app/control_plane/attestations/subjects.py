"""The subject of an attestation: a model and its run, as a request names them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.control_plane.contributors.shares import Share
from app.control_plane.model_files.service import ModelFiles
from app.control_plane.registry.metric_direction import Direction
from app.control_plane.registry.metric_source import MetricSource
from app.control_plane.registry.models import Model
from app.mlflow.resources import Run


@dataclass(frozen=True, slots=True)
class Subject:
    """One model.

    tenant: the model's owner, in whose MLflow workspace its run is.
    model_id, record: of a registered model; None for a run or version that is not registered.
    run: where it has been read already.
    metrics, metric_sources: those that were registered, which are all that other tenants may learn.
    directions: of its metrics, and any other that its registration states.
    baseline_model_id: the model that it improves on; None for a baseline.
    files: what is known of the files of a registered model.
    private: whether the model, or another one of the same run, is registered as private.
    """

    tenant: str
    model_id: str | None = None
    record: Model | None = None
    run_id: str | None = None
    run: Run | None = None
    mlflow_name: str | None = None
    mlflow_version: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    metric_sources: Mapping[str, MetricSource] = field(default_factory=dict)
    primary_metric: str | None = None
    directions: Mapping[str, Direction] = field(default_factory=dict)
    baseline_model_id: str | None = None
    shares: tuple[Share, ...] = ()
    token_id: str | None = None
    files: ModelFiles | None = None
    private: bool = False

    @property
    def label(self) -> str:
        """The subject in a message."""
        if self.model_id is not None:
            return self.model_id
        return f"run {self.run_id}" if self.run_id else f"{self.mlflow_name}/{self.mlflow_version}"
