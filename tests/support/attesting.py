"""Attestations of a tenant's models, and the loss of their versions in MLflow."""

from typing import Any

import httpx

from tests.support.responses import good
from tests.support.trainer import Trainer
from tests.support.training import Training


def attest(training: Training, **request: Any) -> httpx.Response:
    """POST /api/attestations."""
    return Trainer(training.client).attest(**request)


def delete_version(training: Training, model: dict[str, Any]) -> None:
    """Delete the version of a registered model in MLflow."""
    body = {"name": model["mlflow_name"], "version": model["mlflow_version"]}
    good(
        training.client.request(
            "DELETE", "/api/mlflow/api/2.0/mlflow/model-versions/delete", json=body
        )
    )
