"""Files of models: storing them in MLflow, and waiting until the gateway has read them."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from app.standalone.mlflow import ChildMLflow
from tests.support.training import Training
from tests.support.waiting import wait_until

ARTIFACTS = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"


def entry(path: str, content: bytes = b"x") -> dict[str, Any]:
    """A file as a registration lists it."""
    return {"path": path, "size": len(content), "sha256": sha256(content).hexdigest()}


def listed(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Files as a registration lists them, sorted by path."""
    return [entry(path, content) for path, content in sorted(files.items())]


def store(training: Training, root: str, files: Mapping[str, bytes]) -> None:
    """Upload files into a directory. root: its URI of the scheme `mlflow-artifacts`."""
    directory = root.removeprefix("mlflow-artifacts:/")
    for path, content in files.items():
        url = f"{ARTIFACTS}/{directory}/{quote(path)}"
        response = training.client.put(url, content=content)
        assert response.status_code == 200, response.text


def run_with(
    training: Training, files: Mapping[str, bytes], path: str = "model", accuracy: float = 0.5
) -> str:
    """The id of a new run that has these files below a path."""
    run = training.mlflow("runs/create", experiment_id="0")["run"]["info"]
    metric = {"key": "accuracy", "value": accuracy, "timestamp": 1, "step": 0}
    training.mlflow("runs/log-batch", run_id=run["run_id"], metrics=[metric])
    store(training, f"{run['artifact_uri']}/{path}", files)
    found: str = run["run_id"]
    return found


def directory_of(server: ChildMLflow, run_id: str, path: str = "model") -> Path:
    """Where MLflow stores the files below a path of a run."""
    (found,) = server._directory.rglob(f"{run_id}/artifacts/{path}")
    return found


def logged_model_with(training: Training, files: Mapping[str, bytes]) -> str:
    """The id of a new logged model of MLflow 3 that has these files."""
    run = training.run(None, accuracy=0.5)
    model = training.mlflow("logged-models", experiment_id="0", name="m", source_run_id=run)
    info = model["model"]["info"]
    store(training, info["artifact_uri"], files)
    found: str = info["model_id"]
    return found


def wait_for(
    client: httpx.Client, model: Mapping[str, Any], *states: str, reason: str = ""
) -> dict[str, Any]:
    """GET /api/models/{id}/files, once the state is one of these. reason: a part of it."""
    found: dict[str, Any] = {}

    def is_there() -> bool:
        response = client.get(f"/api/models/{model['model_id']}/files")
        assert response.status_code == 200, response.text
        found.update(response.json())
        return found["state"] in states and reason in (found["reason"] or "")

    wait_until(is_there)
    return found
