"""Where registering and attesting read what they are about."""

from dataclasses import dataclass

from app.access.tenants.workspaces import Workspaces
from app.control_plane.registry.presence import Presence
from app.database.engine import Database
from app.mlflow.client import MLflowClient


@dataclass(frozen=True, slots=True)
class Sources:
    """The records, MLflow, the workspaces of tenants in it, and which records it still has."""

    database: Database
    mlflow: MLflowClient
    workspaces: Workspaces
    presence: Presence
