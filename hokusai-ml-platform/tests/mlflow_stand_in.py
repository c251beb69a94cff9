"""A gateway with an MLflow server behind it, in memory: as much as the SDK's tests use of both."""

from __future__ import annotations

import json
import re
import threading
import uuid
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

from scripted import Request, Response, problem

_ROUTE = re.compile(r"/api/mlflow/(?:api|ajax-api)/[23]\.0/mlflow/(.*)")


class MLflowGateway:
    """Responds to requests of the MLflow client, and to those of Hokusai's own API.

    Artifacts are stored as local files, whose directory MLflow gets as `artifact_uri`.

    Attributes:
        experiments: The names of experiments, by id.
        runs: The runs, by id, as MLflow's REST API describes them.
        responses: The responses of Hokusai's own API, by method and path, or what makes them.
        requests: The requests to Hokusai's own API.
    """

    def __init__(self, directory: Path) -> None:
        self.experiments: dict[str, str] = {"0": "Default"}
        self.runs: dict[str, dict[str, Any]] = {}
        self.responses: dict[tuple[str, str], Response | Callable[[Request], Response]] = {}
        self.requests: list[Request] = []
        self._directory = directory
        self._models: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        with self._lock:
            match = _ROUTE.fullmatch(parts.path)
            if match is None:
                self.requests.append(request)
                path = parts.path[len("/api") :]
                found = self.responses.get((request.method, path), problem(404, "not_found"))
                return found if isinstance(found, Response) else found(request)
            arguments = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if request.body:
                arguments.update(request.json)
            return self._mlflow(request.method, match[1], arguments)

    def metrics(self, run_id: str) -> dict[str, float]:
        """The metrics of a run."""
        return {metric["key"]: metric["value"] for metric in self.runs[run_id]["data"]["metrics"]}

    def status(self, run_id: str) -> str:
        """The status of a run, such as FINISHED."""
        return str(self.runs[run_id]["info"]["status"])

    def _mlflow(self, method: str, route: str, arguments: dict[str, Any]) -> Response:
        name = re.sub(r"(?<=logged-models/)m-\w+", "ID", route)
        handler: Callable[[dict[str, Any]], Any] | None = {
            "experiments/get-by-name": self._experiment_by_name,
            "experiments/get": self._experiment,
            "experiments/create": self._create_experiment,
            "runs/create": self._create_run,
            "runs/get": lambda found: {"run": self.runs[found["run_id"]]},
            "runs/update": self._update_run,
            "runs/log-metric": self._log_metric,
            "runs/log-batch": self._log_batch,
            "artifacts/list": lambda found: {"files": []},
            "logged-models": self._create_model,
            "logged-models/ID": lambda found: {"model": self._models[route.split("/")[1]]},
        }.get(name)
        response = {} if handler is None else handler(arguments)
        return response if isinstance(response, Response) else Response(document=response)

    def _experiment(self, arguments: dict[str, Any]) -> Any:
        identifier = arguments["experiment_id"]
        return {
            "experiment": {
                "experiment_id": identifier,
                "name": self.experiments[identifier],
                "artifact_location": self._directory.as_uri(),
                "lifecycle_stage": "active",
            }
        }

    def _experiment_by_name(self, arguments: dict[str, Any]) -> Any:
        for identifier, name in self.experiments.items():
            if name == arguments["experiment_name"]:
                return self._experiment({"experiment_id": identifier})
        missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "There is none."}
        return Response(404, missing)

    def _create_experiment(self, arguments: dict[str, Any]) -> Any:
        identifier = str(len(self.experiments))
        self.experiments[identifier] = arguments["name"]
        return {"experiment_id": identifier}

    def _create_run(self, arguments: dict[str, Any]) -> Any:
        # MLflow and the SDK remember runs and models by their ids, so these are never used again.
        run_id = uuid.uuid4().hex
        self.runs[run_id] = {
            "info": {
                "run_id": run_id,
                "run_uuid": run_id,
                "run_name": arguments.get("run_name", "run"),
                "experiment_id": arguments["experiment_id"],
                "status": "RUNNING",
                "start_time": 0,
                "artifact_uri": (self._directory / run_id).as_uri(),
                "lifecycle_stage": "active",
            },
            "data": {"metrics": [], "tags": arguments.get("tags", [])},
        }
        return {"run": self.runs[run_id]}

    def _update_run(self, arguments: dict[str, Any]) -> Any:
        info = self.runs[arguments["run_id"]]["info"]
        info.update({k: v for k, v in arguments.items() if k in ("status", "end_time")})
        return {"run_info": info}

    def _log_metric(self, arguments: dict[str, Any]) -> Any:
        return self._log_batch({"run_id": arguments["run_id"], "metrics": [arguments]})

    def _log_batch(self, arguments: dict[str, Any]) -> Any:
        metrics = self.runs[arguments["run_id"]]["data"]["metrics"]
        metrics.extend(arguments.get("metrics", []))
        return {}

    def _create_model(self, arguments: dict[str, Any]) -> Any:
        identifier = f"m-{uuid.uuid4().hex}"
        self._models[identifier] = {
            "info": {
                "model_id": identifier,
                "experiment_id": arguments["experiment_id"],
                "name": arguments.get("name", "model"),
                "creation_timestamp_ms": 0,
                "last_updated_timestamp_ms": 0,
                "artifact_uri": (self._directory / identifier).as_uri(),
                "status": "LOGGED_MODEL_READY",
                "source_run_id": arguments.get("source_run_id", ""),
            },
            "data": {},
        }
        return {"model": self._models[identifier]}


def registered(**members: Any) -> Response:
    """A response to a registration."""
    return Response(201, json.loads(json.dumps({"model_id": "hkm_1", "warnings": [], **members})))
