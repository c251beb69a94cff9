"""What the gateway itself asks of MLflow, as opposed to what it passes on.

An ordinary `httpx.AsyncClient` over the data plane's transport: the same connections, the same
faults, and a seam where tests put another transport.
"""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from app.core.errors import UpstreamError

SERVER_INFO = "/api/3.0/mlflow/server-info"
WORKSPACE = "X-MLFLOW-WORKSPACE"
DEFAULT_EXPERIMENT = "Default"
# What MLflow's clients measure of the machine has such names, and says nothing of the model.
SYSTEM_METRICS = "system/"
# They become part of a path, so nothing else may pass for one.
DATASET_ID = MODEL_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

# MLflow fails over what is no number, or too large a one for its database.
EXPERIMENT_ID = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """A run's last value of each metric, as MLflow has it: also what is not finite."""

    run_id: str
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class VersionOrigin:
    """A version of a registered model, and the run that it comes from, if it comes from one."""

    name: str
    version: str
    run_id: str | None


class MLflowClient:
    """MLflow's REST API as far as the gateway needs it. Every failure is an UpstreamError."""

    def __init__(
        self, url: str, transport: httpx.AsyncBaseTransport, *, authorization: str | None = None
    ) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        # `trust_env` off: a proxy variable in the environment must not reroute MLflow's traffic.
        self.client = httpx.AsyncClient(
            base_url=url, transport=transport, headers=headers, trust_env=False
        )

    async def close(self) -> None:
        await self.client.aclose()

    async def alive(self) -> bool:
        """GET /health: whether MLflow answers."""
        return (await self.client.get("/health")).is_success

    async def version(self) -> str:
        """GET /version: MLflow's own, as it says it."""
        answer = await self.client.get("/version")
        return answer.text if answer.is_success else ""

    async def accepts_us(self) -> bool:
        """GET experiments/search: whether MLflow asks for no credential, or accepts ours."""
        answer = await self.client.get(
            "/api/2.0/mlflow/experiments/search", params={"max_results": 1}
        )
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return False
        document_of(answer)
        return True

    async def has_workspaces(self) -> bool:
        """GET /api/3.0/mlflow/server-info: whether tenants can be kept apart (MLflow >= 3.10)."""
        answer = await self.client.get(SERVER_INFO)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        return bool(document_of(answer).get("workspaces_enabled", False))

    async def server_info(self) -> dict[str, Any]:
        """GET /api/3.0/mlflow/server-info: what MLflow tells its clients of itself."""
        return document_of(await self.client.get(SERVER_INFO))

    async def make_workspace(self, name: str) -> None:
        """POST /api/3.0/mlflow/workspaces; one that exists already is as good."""
        answer = await self.client.post("/api/3.0/mlflow/workspaces", json={"name": name})
        if code_of(answer) != "RESOURCE_ALREADY_EXISTS":
            document_of(answer)

    async def default_experiment(self, workspace: str) -> str:
        """The id of the experiment `Default` of a workspace, made now if need be."""
        headers = {WORKSPACE: workspace}
        answer = await self.client.post(
            "/api/2.0/mlflow/experiments/create",
            json={"name": DEFAULT_EXPERIMENT},
            headers=headers,
        )
        if code_of(answer) != "RESOURCE_ALREADY_EXISTS":
            return str(document_of(answer)["experiment_id"])
        answer = await self.client.get(
            "/api/2.0/mlflow/experiments/get-by-name",
            params={"experiment_name": DEFAULT_EXPERIMENT},
            headers=headers,
        )
        return str(document_of(answer)["experiment"]["experiment_id"])

    async def has_run(self, workspace: str, run_id: str) -> bool:
        """GET runs/get: whether a workspace has a run of that id."""
        answer = await self.client.get(
            "/api/2.0/mlflow/runs/get", params={"run_id": run_id}, headers={WORKSPACE: workspace}
        )
        return _is_there(answer)

    async def has_model(self, workspace: str, model_id: str) -> bool:
        """GET logged-models/{model_id}: whether a workspace has a logged model of that id."""
        if MODEL_ID.fullmatch(model_id) is None:
            return False
        answer = await self.client.get(
            f"/api/2.0/mlflow/logged-models/{model_id}", headers={WORKSPACE: workspace}
        )
        return _is_there(answer)

    async def has_experiment(self, workspace: str, experiment_id: str) -> bool:
        """GET experiments/get: whether a workspace has an experiment of that id."""
        if EXPERIMENT_ID.fullmatch(experiment_id) is None:
            return False
        answer = await self.client.get(
            "/api/2.0/mlflow/experiments/get",
            params={"experiment_id": experiment_id},
            headers={WORKSPACE: workspace},
        )
        return _is_there(answer)

    async def has_dataset(self, workspace: str | None, dataset_id: str) -> bool:
        """GET datasets/{dataset_id}: whether a workspace, or a shared MLflow, has that dataset."""
        if DATASET_ID.fullmatch(dataset_id) is None:
            return False
        answer = await self.client.get(
            f"/api/3.0/mlflow/datasets/{dataset_id}", headers=inside(workspace)
        )
        return _is_there(answer)

    async def run_metrics(self, workspace: str | None, run_id: str) -> RunMetrics | None:
        """GET runs/get: a run's metrics; None where the workspace has no such run.

        A workspace of None is a shared MLflow's.
        """
        answer = await self.client.get(
            "/api/2.0/mlflow/runs/get", params={"run_id": run_id}, headers=inside(workspace)
        )
        if code_of(answer) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        run = document_of(answer)["run"]
        return RunMetrics(
            run_id=str(run["info"]["run_id"]),
            # MLflow writes a number that is not finite as text.
            metrics={item["key"]: float(item["value"]) for item in run["data"].get("metrics", [])},
        )

    async def version_origin(
        self, workspace: str | None, name: str, version: str
    ) -> VersionOrigin | None:
        """GET model-versions/get; None where the workspace has no such model or version."""
        answer = await self.client.get(
            "/api/2.0/mlflow/model-versions/get",
            params={"name": name, "version": version},
            headers=inside(workspace),
        )
        if code_of(answer) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        found = document_of(answer)["model_version"]
        return VersionOrigin(str(found["name"]), str(found["version"]), found.get("run_id") or None)


def inside(workspace: str | None) -> dict[str, str]:
    """The header that names a workspace; none in a shared MLflow."""
    return {} if workspace is None else {WORKSPACE: workspace}


def code_of(answer: httpx.Response) -> str | None:
    """The `error_code` of an answer that is one of MLflow's errors."""
    if answer.is_success:
        return None
    try:
        return str(answer.json().get("error_code"))
    except (ValueError, AttributeError):
        return None


def _is_there(answer: httpx.Response) -> bool:
    """Whether the thing that was asked for by its id exists; an id that is none does not."""
    if code_of(answer) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
        return False
    document_of(answer)
    return True


def document_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of a good answer."""
    if not answer.is_success:
        raise UpstreamError(
            f"MLflow answered {answer.status_code} to {answer.request.url.path}. Try again; if it "
            "goes on, tell the operator the request id."
        )
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UpstreamError(f"MLflow's answer to {answer.request.url.path} is not a JSON object.")
    return document
