"""A registration as it was decided on, before MLflow is asked to change anything.

It is kept with the registration, so that another process can bring it to the same end.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from app.control_plane.contributors.shares import Share
from app.control_plane.registry.deltas import Delta
from app.control_plane.registry.schemas import Kind, Warn
from app.core.request.actor import Actor

# The tags by which a version in MLflow leads back to its record.
OPERATION = "hokusai.op_id"
MODEL = "hokusai.model_id"


class Plan(BaseModel):
    """All that a registration's end needs.

    workspace: None in a shared MLflow. adopts: the version that is registered as it is; None where
    one has to be made from `source`, `run_id` and `logged_model`. path: the ids from the first
    baseline to this model. token: the upper-case symbol of `token_id`.
    """

    model_config = ConfigDict(protected_namespaces=())

    operation: str
    model_id: str
    kind: Kind
    tenant: str
    principal: str
    request_id: str | None
    client: str | None

    workspace: str | None
    mlflow_name: str
    adopts: str | None
    source: str
    run_id: str | None
    logged_model: str | None
    tags: dict[str, str]

    model_uri: str
    model_type: str | None
    metadata: dict[str, Any]
    metrics: dict[str, float]
    higher_is_better: dict[str, bool]
    primary_metric: str | None
    private: bool
    baseline_model_id: str | None = None
    path: list[str]
    delta: dict[str, Delta] = {}
    contributors: list[Share] = []
    token: str | None = None
    token_id: str | None = None
    model_name: str | None = None
    metric_name: str | None = None
    baseline_value: float | None = None
    warnings: list[Warn] = []

    @property
    def actor(self) -> Actor:
        """Who asked for it, also where another process writes it down."""
        return Actor(self.principal, self.request_id, self.client)
