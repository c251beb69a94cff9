"""The plan of a registration: everything that is decided before anything changes in MLflow.

It is stored with the registration, so that another process can finish it in the same way.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from app.control_plane.contributors.shares import Share
from app.control_plane.registry.deltas import Delta
from app.control_plane.registry.file_list import FileEntry
from app.control_plane.registry.metric_direction import Direction
from app.control_plane.registry.metric_source import MetricSource
from app.control_plane.registry.schemas import ModelKind, RegistrationWarning
from app.core.request.actor import Actor

# Tags of the version in MLflow that lead back to its registration and its record.
OPERATION_TAG = "hokusai.op_id"
MODEL_TAG = "hokusai.model_id"


class Plan(BaseModel):
    """What a registration will create.

    operation: a unique id. principal, request_id, client: of the request, for the audit log.
    workspace: the tenant's MLflow workspace; None in an MLflow that all tenants share.
    adopts: the existing version of `mlflow_name` that is registered, which MLflow created at
        `adopts_created`; None where a new one is created from `source`, `run_id` and
        `logged_model`, with `tags`.
    path: the ids of the models from the first baseline to this one.
    token: `token_id` in upper case.
    listed_files: the model's files as the request lists them, if it does.
    """

    model_config = ConfigDict(protected_namespaces=())

    operation: str
    model_id: str
    kind: ModelKind
    tenant: str
    principal: str
    request_id: str | None
    client: str | None

    workspace: str | None
    mlflow_name: str
    adopts: str | None
    adopts_created: int | None = None
    source: str
    run_id: str | None
    logged_model: str | None
    tags: dict[str, str]

    model_uri: str
    model_type: str | None
    metadata: dict[str, Any]
    metrics: dict[str, float]
    metric_sources: dict[str, MetricSource] = {}
    directions: dict[str, Direction] = {}
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
    evaluation: dict[str, Any] | None = None
    listed_files: list[FileEntry] | None = None
    share_files: bool = False
    warnings: list[RegistrationWarning] = []

    @property
    def actor(self) -> Actor:
        """The author of the request, also where another process finishes the registration."""
        return Actor(self.principal, self.request_id, self.client)

    def warn(self, code: str, message: str) -> None:
        """Add a warning to the response."""
        self.warnings.append(RegistrationWarning(code=code, message=message))
